# wsss benchmark benchmarks/grids/methods_voc_boxes.py
# All methods for localisation on the 409 images of voc_mini's train with one class, MobileNetV1 from ImageNet
# weights, small crops, bfloat16.
datasets = ["voc_boxes"]
methods = dict(
    cam=dict(config="cam_mbv1_{dataset}.py", options=["infer.scales=(0.45,)"]),
    bas=dict(config="bas_mbv1_{dataset}.py", options=["infer.scales=(0.45,)"]),
    bas_map=dict(
        config="bas_mbv1_{dataset}.py",
        options=["infer.scales=(0.45,)", "model.foreground=True", "infer.fuse=average"],
    ),
    bas_localization=dict(
        config="bas_localization_mbv1_{dataset}.py", options=["model.hidden=256", "infer.resize=160"]
    ),
    bcam_gradient=dict(config="bcam_mbv1_{dataset}.py", options=["infer.resize=160"]),
    ornet=dict(config="ornet_mbv1_{dataset}.py", options=["infer.resize=160"]),
    fam=dict(config="fam_mbv1_{dataset}.py", options=["infer.resize=160"]),
)
random_seeds = [0]
options = [
    "dataset.train_split=train",
    "train.resize=160",
    "train.crop=144",
    "train.amp=bf16",
    "train.num_workers=0",
    "infer.amp=bf16",
]
