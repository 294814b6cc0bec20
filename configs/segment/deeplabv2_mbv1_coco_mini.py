# tools/run_stage.sh segment coco_mini
# Shows on two CPU cores that the stage runs on COCO: the network of voc_mini for a few steps on small crops.
_base_ = ["../_base_/coco_mini.py", "../_base_/segment.py"]
infer = dict(scales=(0.5,), flip=False)
model = dict(
    train_scales=(1.0,),
    backbone=dict(
        name="mobilenetv1_100",
        pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
        output_stride=16,
        dilate=False,
    ),
    decode_head=dict(in_channels=1024, num_classes=81, dilations=(3, 6, 9, 12)),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        dataset="configs/_base_/coco_mini.py",
        masks="work/coco_mini/masks",
        pipeline=[
            dict(type="ReadImage"),
            dict(type="ReadMask"),
            dict(type="RandomScale", ratio_range=(0.4, 0.8)),
            dict(type="RandomCrop", crop_size=(128, 128)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ],
    ),
)
train_cfg = dict(max_iters=20, val_interval=10)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=1e-4, weight_decay=0.01),
    paramwise_cfg=dict(head_factor=10.0, head_bias_factor=10.0),
)
param_scheduler = dict(end=20)
default_hooks = dict(checkpoint=dict(interval=10))
val_dataloader = dict(dataset=dict(dataset="configs/_base_/coco_mini.py"))
test_dataloader = val_dataloader
