# wsss benchmark benchmarks/grids/methods_voc_boxes.py
# All methods for localisation on the 409 images of voc_mini's train with one class: MobileNetV1 from ImageNet
# weights, 6 epochs (ORNet: 6 of its coarse model, 6 of the evaluator, 3 of the fine stage), bfloat16. It was
# never run to its end: docs/results.md has what a smaller one showed.
datasets = ["voc_boxes"]
methods = dict(
    cam=dict(config="cam_mbv1_{dataset}.py"),
    bas=dict(config="bas_mbv1_{dataset}.py"),
    bcam_gradient=dict(config="bcam_mbv1_{dataset}.py"),
    ornet=dict(config="ornet_mbv1_{dataset}.py"),
    fam=dict(config="fam_mbv1_{dataset}.py"),
    bas_localization=dict(config="bas_localization_mbv1_{dataset}.py"),
    bas_map=dict(
        config="bas_mbv1_{dataset}.py",
        options=["model.foreground=True", "infer.fuse=average"],
    ),
    bcam_difference=dict(
        config="bcam_mbv1_{dataset}.py", options=["infer.rule=difference", "infer.threshold=0"]
    ),
    bcam_cam=dict(config="bcam_mbv1_{dataset}.py", options=["infer.rule=cam"]),
)
random_seeds = [0]
options = ["dataset.train_split=train", "train.amp=bf16", "infer.amp=bf16"]
