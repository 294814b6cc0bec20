# wsss benchmark benchmarks/grids/methods_demo.py
# Methods with class maps on half of the demo, short schedules, from random weights: seeds, masks, network.
# Those with one class-agnostic map (ORNet, FAM) have no maps for images with several classes.
datasets = ["demo"]
methods = dict(
    cam=dict(config="cam_plain8_demo.py", options=["infer.threshold=tags"]),
    bas=dict(config="bas_plain8_demo.py", options=["infer.threshold=tags"]),
    bas_cam=dict(config="bas_plain8_demo.py", options=["infer.add_own_cam=True", "infer.threshold=tags"]),
    bcam=dict(config="bcam_plain8_demo.py"),
    bas_map=dict(
        config="bas_plain8_demo.py",
        options=["model.foreground=True", "infer.fuse=average", "infer.threshold=tags"],
    ),
)
# The thresholds of the preset are made for longer trainings.
refine = dict(
    irn=dict(
        config="irn_plain8_demo.py",
        options=[
            "labels.foreground_threshold=tags",
            "labels.background_threshold=tags",
            "infer.seed_power=tags",
            "infer.background_score=tags",
        ],
    )
)
random_seeds = [0, 1]
options = ["dataset.train=240", "seeds.train.epochs=20", "segment.train_cfg.max_iters=150"]
