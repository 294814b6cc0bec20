# wsss benchmark benchmarks/grids/methods_boxes.py
# All methods for localisation on pictures with one class each, from random weights, 20 epochs (ORNet: 20 of
# its coarse model, 15 of the evaluator, 30 of the fine stage): 45 minutes on one CPU core. No data.
datasets = ["demo_boxes"]
methods = dict(
    cam=dict(config="cam_plain8_{dataset}.py", options=["train.epochs=20"]),
    bas=dict(config="bas_plain8_{dataset}.py", options=["train.epochs=20"]),
    bcam_gradient=dict(config="bcam_plain8_{dataset}.py"),
    ornet=dict(config="ornet_plain8_{dataset}.py"),
    fam=dict(config="fam_plain8_{dataset}.py"),
    fam_printed=dict(config="fam_plain8_{dataset}.py", options=["model.assumptions.pool_from=input"]),
    bas_localization=dict(config="bas_localization_plain8_{dataset}.py"),
    bas_map=dict(
        config="bas_plain8_{dataset}.py",
        options=["train.epochs=20", "model.foreground=True", "infer.fuse=average"],
    ),
    bcam_difference=dict(
        config="bcam_plain8_{dataset}.py", options=["infer.rule=difference", "infer.threshold=0"]
    ),
    bcam_cam=dict(config="bcam_plain8_{dataset}.py", options=["infer.rule=cam"]),
)
random_seeds = [0, 1, 2]
options = ["dataset.train=240"]
