# Every setting of the stage `segment` with its default, and a complete config of mmsegmentation: DeepLabV2
# on ImageNet ResNet101, as methods on VOC use it. A key that is not here is refused, so this file is also the
# list of what can be set.
custom_imports = dict(
    imports=[
        "segment.backbone",
        "segment.dataset",
        "segment.deeplabv2",
        "segment.optim",
        "segment.transforms",
    ],
    allow_failed_imports=False,
)
default_scope = "mmseg"

# What only the stage reads; mmsegmentation passes it over.
supervision = "masks"  # "ground_truth": full supervision, the yardstick; every figure says so
reads = ("masks",)  # artifacts: add "seeds" for weights_from="seeds"; full supervision needs no "masks"
weights_from = (
    None  # "seeds": the backbone that the stage seeds trained (model.backbone.pretrained must be None)
)
seed = 0  # sets randomness.seed
infer = dict(
    scales=(0.5, 0.75, 1.0, 1.25, 1.5),
    flip=True,
    crf=False,  # dense CRF as well, as predictions_crf with figures of its own
)
baselines = dict()  # name -> config file beside this one; published as segment-NAME

model = dict(
    type="DeepLabV2",
    train_scales=(0.5, 0.75, 1.0),  # one cross entropy each, and one of their pixel-wise maximum
    label_stride=8,  # the loss is taken at the stride of the logits, as the paper does
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],  # ImageNet, RGB
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=False,  # ReadImage gives RGB
        pad_val=0,
        seg_pad_val=255,
        size_divisor=1,  # a batch is padded to its largest crop
    ),
    backbone=dict(
        type="CutBackbone",
        name="resnet101",
        pretrained="imagenet",  # None: random; "imagenet": downloaded once; or the path of a state dict
        output_stride=8,
        dilate=True,
        freeze_norm=True,
    ),
    decode_head=dict(
        type="DeepLabV2Head",
        in_channels=2048,
        in_index=4,
        num_classes=21,  # with background; the stage sets it from the data set
        dilations=(6, 12, 18, 24),
        loss_decode=dict(type="CrossEntropyLoss", avg_non_ignore=True),
    ),
    test_cfg=dict(mode="whole"),
)
train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="ProjectDataset",
        dataset="configs/_base_/voc.py",  # the stage puts the config's own `dataset` here
        masks="work/voc/masks",  # the stage puts its input here; None: ground truth
        pipeline=[
            dict(type="ReadImage"),
            dict(type="ReadMask"),
            dict(type="RandomScale", ratio_range=(0.5, 1.5)),  # AdvCAM trains to 2.0
            dict(type="RandomCrop", crop_size=(321, 321)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ],
    ),
)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=20000, val_interval=1000000)  # val chooses nothing here
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="DeepLabOptimWrapperConstructor",
    optimizer=dict(type="SGD", lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(head_factor=10.0, head_bias_factor=20.0),
)
# `end` is the number of iterations; the stage sets it from train_cfg.max_iters.
param_scheduler = dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
randomness = dict(seed=0)
default_hooks = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)

# For mmsegmentation's own tools/test.py: one scale, mmsegmentation's metric.
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="ProjectDataset",
        dataset="configs/_base_/voc.py",
        masks=None,
        test_mode=True,
        pipeline=[dict(type="ReadImage"), dict(type="ReadMask"), dict(type="PackSegInputs")],
    ),
)
test_cfg = dict(type="TestLoop")
test_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
