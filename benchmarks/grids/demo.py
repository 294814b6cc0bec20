# wsss benchmark benchmarks/grids/demo.py
# Seeds, masks and networks on the demo: about 50 minutes on two CPU cores. No weights, no data.
datasets = ["demo"]
methods = dict(
    cam=dict(config="cam_plain8_demo.py"),
    bas=dict(config="bas_plain8_demo.py"),
    bas_map=dict(config="bas_plain8_demo.py", options=["model.foreground=True", "infer.fuse=average"]),
)
refine = dict(irn=dict(config="irn_plain8_demo.py"), crf=dict(config="crf_demo.py"))
random_seeds = [0, 1]
