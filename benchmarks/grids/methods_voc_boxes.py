# wsss benchmark benchmarks/grids/methods_voc_boxes.py
# All methods for localisation on the 409 images of voc_mini's train with one class: MobileNetV1 from ImageNet
# weights, crops of 112, 3 epochs of 51 steps (ORNet: 3 of its coarse model, 3 of the evaluator, 1 of the fine
# stage): about 12 minutes of one CPU core. So short a training teaches little.
datasets = ["voc_boxes"]
methods = dict(
    cam=dict(config="cam_mbv1_{dataset}.py", options=["infer.scales=(0.45,)"]),
    bas_localization=dict(
        config="bas_localization_mbv1_{dataset}.py", options=["model.hidden=256", "infer.resize=192"]
    ),
    bcam_gradient=dict(config="bcam_mbv1_{dataset}.py", options=["infer.resize=192"]),
    fam=dict(config="fam_mbv1_{dataset}.py", options=["infer.resize=192"]),
    ornet=dict(
        config="ornet_mbv1_{dataset}.py",
        options=["infer.resize=192", "train.evaluator.epochs=3", "train.fine.epochs=1"],
    ),
    bas=dict(config="bas_mbv1_{dataset}.py", options=["infer.scales=(0.45,)", "model.warmup_epochs=1"]),
    bas_map=dict(
        config="bas_mbv1_{dataset}.py",
        options=[
            "infer.scales=(0.45,)",
            "model.warmup_epochs=1",
            "model.foreground=True",
            "infer.fuse=average",
        ],
    ),
    bcam_difference=dict(
        config="bcam_mbv1_{dataset}.py",
        options=["infer.resize=192", "infer.rule=difference", "infer.threshold=0"],
    ),
    bcam_cam=dict(config="bcam_mbv1_{dataset}.py", options=["infer.resize=192", "infer.rule=cam"]),
)
random_seeds = [0]
options = [
    "dataset.train_split=train",
    "train.resize=128",
    "train.crop=112",
    "train.epochs=3",
    "train.batch_size=8",
    "train.amp=bf16",
    "train.num_workers=0",
    "infer.amp=bf16",
]
