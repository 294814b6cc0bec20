# Every setting of the stage `segment` with its default, and a complete config of mmsegmentation: DeepLabV2
# on ImageNet ResNet101, as methods on VOC use it. It lies under every preset of the stage, which need
# not inherit it. A key that is not here is refused, so this file is also the list of what can be set.
custom_imports = dict(
    imports=[
        "segment.backbone",
        "segment.dataset",
        "segment.deeplabv2",
        "segment.deeplabv3",
        "segment.loop",
        "segment.optim",
        "segment.transforms",
    ],
    allow_failed_imports=False,
)
default_scope = "mmseg"

# What only the stage reads; mmsegmentation passes it over.
supervision = "masks"  # "ground_truth": full supervision, the upper reference; every figure says so
pretrained_on = "ImageNet"  # what the initial weights were trained on; stands beside every figure
allow_ground_truth = False  # masks that are the ground truth are refused; True: figures say full supervision
allow_untagged = False  # so are masks with classes that are not among the tags of their image
select = "last"  # iteration whose weights are kept; "best" on val, every train_cfg.val_interval, and said so
amp = None  # half precision in training: "bf16" (also on CPUs) or "fp16" (GPU)
random_seed = 0  # sets randomness.seed
infer = dict(
    scales=(0.5, 0.75, 1.0, 1.25, 1.5),
    flip=True,
    crf=False,  # dense CRF as well, as predictions_crf with figures of its own
    window=None,  # side of windows that slide over the scaled image, by two thirds; None: the whole image
    probabilities=False,  # keep those at stride 4 too, as probabilities/SPLIT/ID.npz in the form of seeds
    num_workers=0,  # processes for the dense CRF; 0: one per CPU core
)
baselines = dict()  # name -> config file beside this one; published as segment-NAME

model = dict(
    type="DeepLabV2",
    # None: random; "imagenet": downloaded once; "seeds": the backbone that the stage seeds trained; or the
    # path of a state dict
    pretrained="imagenet",
    weights=None,  # file of a trained network, head and all: it is predicted with, and nothing is trained
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
        output_stride=8,
        dilate=True,
        freeze_norm=True,
        released=False,  # True: DeepLab's own ResNet, with weights of deeplab-pytorch and its names
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
    batch_size=10,  # over all processes; for mmsegmentation's own tools/train.py: of each process
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="PlacedSampler", shuffle=True),
    dataset=dict(
        type="ProjectDataset",
        # The stage puts the config's own `dataset` and its input here; these are for mmsegmentation's tools.
        dataset="configs/_base_/voc.py",
        masks="work/voc/masks",
        pipeline=[
            dict(type="ReadImage"),
            dict(type="ReadMask"),
            dict(type="RandomScale", ratio_range=(0.5, 1.5)),
            dict(type="RandomCrop", crop_size=(321, 321)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ],
    ),
)
train_cfg = dict(type="PlacedTrainLoop", max_iters=20000, val_interval=2000)
optim_wrapper = dict(
    type="OptimWrapper",
    constructor="DeepLabOptimWrapperConstructor",
    optimizer=dict(type="SGD", lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    # layer_decay: factor on the rate from one level of the backbone to the one below it. decay_norms False:
    # norms and biases have no weight decay, as transformers want it.
    paramwise_cfg=dict(head_factor=10.0, head_bias_factor=20.0, layer_decay=1.0, decay_norms=True),
)
# `end` is the number of iterations; the stage sets it from train_cfg.max_iters.
param_scheduler = dict(type="PolyLR", power=0.9, eta_min=0.0, begin=0, end=20000, by_epoch=False)
randomness = dict(seed=0)
# An interrupted training continues at the last of the checkpoints that are kept.
default_hooks = dict(checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1000, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)

# For select="best", and for mmsegmentation's own tools: one scale, mmsegmentation's metric.
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="ProjectDataset",
        dataset="configs/_base_/voc.py",
        masks=None,
        test_mode=True,
        pipeline=[dict(type="ReadImage"), dict(type="ReadMask"), dict(type="PackSegInputs")],
    ),
)
val_cfg = dict(type="ValLoop")
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_dataloader = val_dataloader
test_cfg = dict(type="TestLoop")
test_evaluator = val_evaluator
