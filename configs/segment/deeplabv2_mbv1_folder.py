# tools/run_stage.sh segment folder --data-root IMAGES
# Your own images: the network and schedule of voc_mini, which two CPU cores train within ten minutes.
_base_ = ["../_base_/folder.py", "../_base_/segment.py"]
infer = dict(scales=(0.5, 0.75, 1.0))
model = dict(
    train_scales=(1.0,),
    backbone=dict(
        name="mobilenetv1_100",
        output_stride=16,
        dilate=False,
    ),
    decode_head=dict(in_channels=1024, dilations=(3, 6, 9, 12)),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        dataset="configs/_base_/folder.py",
        masks="work/folder/masks",
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
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(head_factor=10.0, head_bias_factor=10.0),
)
param_scheduler = dict(end=600)
default_hooks = dict(checkpoint=dict(interval=50))
val_dataloader = dict(dataset=dict(dataset="configs/_base_/folder.py"))
test_dataloader = val_dataloader
