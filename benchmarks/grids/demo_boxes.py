# wsss benchmark benchmarks/grids/demo_boxes.py
# Localisation on pictures with one class each: about 10 minutes on two CPU cores. No weights, no data.
datasets = ["demo_boxes"]
methods = dict(
    cam=dict(config="cam_plain8_{dataset}.py"),
    bas=dict(config="bas_plain8_{dataset}.py"),
)
random_seeds = [0, 1]
