# A small network for two CPU cores, which voc_mini, folder and coco_mini share: images at about half their
# size, one training scale, output stride 16 with half of the dilations, a short schedule.
model = dict(
    train_scales=(1.0,),
    backbone=dict(name="mobilenetv1_100", output_stride=16, dilate=False),
    decode_head=dict(in_channels=1024, dilations=(3, 6, 9, 12)),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        pipeline=[
            dict(type="ReadImage"),
            dict(type="ReadMask"),
            dict(type="RandomScale", ratio_range=(0.4, 0.8)),
            dict(type="RandomCrop", crop_size=(224, 224)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ],
    ),
)
train_cfg = dict(max_iters=600, val_interval=200)
# The head sums 36 x 1,024 inputs of mean .6: SGD bears a rate of .001 only (ten times that starts with losses
# above 16) and then learns the five largest classes alone. AdamW teaches the head fast, but at the rate that
# suits the head's weights it wears away in the backbone what ImageNet taught: docs/results/networks.md.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-5, weight_decay=0.01),
    paramwise_cfg=dict(head_factor=100.0, head_bias_factor=100.0),
)

default_hooks = dict(checkpoint=dict(interval=50))
