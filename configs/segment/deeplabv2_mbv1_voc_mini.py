# tools/run_stage.sh segment voc_mini
# Real images on two CPU cores: images at about half their size, one training scale, output stride 16 with
# half of the dilations, a short schedule. Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_mini.py", "../_base_/segment.py"]
infer = dict(scales=(0.5, 0.75))
model = dict(
    train_scales=(1.0,),
    backbone=dict(
        name="mobilenetv1_100",
        pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
        output_stride=16,
        dilate=False,
    ),
    decode_head=dict(in_channels=1024, dilations=(3, 6, 9, 12)),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        dataset="configs/_base_/voc_mini.py",
        masks="work/voc_mini/masks",
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
# above 16) and then learns the five largest classes alone. Full supervision on val: 16.6 after 400 steps, and
# 21.3 after 300 of AdamW.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(head_factor=10.0, head_bias_factor=10.0),
)
param_scheduler = dict(end=600)
default_hooks = dict(checkpoint=dict(interval=50))
val_dataloader = dict(dataset=dict(dataset="configs/_base_/voc_mini.py"))
test_dataloader = val_dataloader
baselines = dict(full="deeplabv2_mbv1_voc_mini_full.py")
