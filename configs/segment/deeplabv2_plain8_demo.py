# tools/run_stage.sh segment demo
# Two CPU cores, on the backbone that the stage seeds trained from tags. Expected: docs/results/demo.md.
_base_ = ["../_base_/demo.py"]
infer = dict(scales=(0.75, 1.0, 1.25))  # on training images better than up to 2.0, and cheaper
model = dict(
    train_scales=(1.0,),
    label_stride=4,
    pretrained="seeds",
    backbone=dict(name="plain8", freeze_norm=False),
    decode_head=dict(in_channels=128, dilations=(1, 2, 3, 4)),
)
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(
        pipeline=[
            dict(type="ReadImage"),
            dict(type="ReadMask"),
            dict(type="RandomScale", ratio_range=(0.75, 1.5)),
            dict(type="RandomCrop", crop_size=(96, 96)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ],
    ),
)
train_cfg = dict(max_iters=300, val_interval=100)
# The backbone is small and hardly ahead of the head: one rate for all, or the loss shoots up at the start.
optim_wrapper = dict(optimizer=dict(lr=0.03), paramwise_cfg=dict(head_factor=1.0, head_bias_factor=2.0))
default_hooks = dict(checkpoint=dict(interval=100))
baselines = dict(full="deeplabv2_plain8_demo_full.py")
