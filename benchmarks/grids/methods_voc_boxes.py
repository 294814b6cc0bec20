# wsss benchmark benchmarks/grids/methods_voc_boxes.py
# All methods for localisation on the 409 images of voc_mini's train with one class: MobileNetV1 from ImageNet
# weights, crops of 192, 12 epochs of 25 steps (ORNet: 12 of each of its trainings), bfloat16.
# benchmarks/grids/rates_voc_boxes.py tried other rates. About 70 minutes on one CPU core with AMX.
datasets = ["voc_boxes"]
methods = dict(
    cam=dict(config="cam_mbv1_{dataset}.py"),
    cam_free=dict(
        config="cam_mbv1_{dataset}.py", options=["model.frozen_levels=0", "model.batch_norm=train"]
    ),
    bas=dict(config="bas_mbv1_{dataset}.py"),
    bas_map=dict(config="bas_mbv1_{dataset}.py", options=["model.foreground=True", "infer.fuse=average"]),
    bas_localization=dict(config="bas_localization_mbv1_{dataset}.py"),
    fam=dict(config="fam_mbv1_{dataset}.py"),
    bcam_gradient=dict(config="bcam_mbv1_{dataset}.py"),
    bcam_difference=dict(
        config="bcam_mbv1_{dataset}.py", options=["infer.rule=difference", "infer.threshold=0"]
    ),
    bcam_cam=dict(config="bcam_mbv1_{dataset}.py", options=["infer.rule=cam"]),
    ornet=dict(config="ornet_mbv1_{dataset}.py"),
)
random_seeds = [0, 1]
options = ["dataset.train_split=train", "train.amp=bf16", "infer.amp=bf16"]
