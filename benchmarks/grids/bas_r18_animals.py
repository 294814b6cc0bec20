# wsss benchmark benchmarks/grids/bas_r18_animals.py
# One setting of BAS at a time, on ResNet18 with voc_animals: half of the preset's steps (664 of 16 crops of
# 192), in bfloat16: about 17 minutes a setting on one core of two. docs/results/resnet18.md has what was
# run.
datasets = ["voc_animals"]
methods = dict(
    bas=dict(config="bas_r18_{dataset}.py"),
    warmup_1=dict(config="bas_r18_{dataset}.py", options=["model.warmup_epochs=1"]),
    area_0_8=dict(config="bas_r18_{dataset}.py", options=["model.loss_weights.area=0.8"]),
    area_1_8=dict(config="bas_r18_{dataset}.py", options=["model.loss_weights.area=1.8"]),
    guidance_0_05=dict(config="bas_r18_{dataset}.py", options=["model.loss_weights.guidance=0.05"]),
    guidance_1=dict(config="bas_r18_{dataset}.py", options=["model.loss_weights.guidance=1.0"]),
    cut_4=dict(config="bas_r18_{dataset}.py", options=["model.cut=4"]),
    cut_2=dict(config="bas_r18_{dataset}.py", options=["model.cut=2"]),
    two_levels=dict(config="bas_r18_{dataset}.py", options=["model.two_levels=True"]),
    foreground=dict(config="bas_r18_{dataset}.py", options=["model.foreground=True", "infer.fuse=average"]),
    cam=dict(config="cam_r18_{dataset}.py"),
)
random_seeds = [0]
options = [
    "seeds.train.epochs=4",
    "seeds.train.amp=bf16",
    "seeds.infer.amp=bf16",
    "seeds.train.num_workers=0",
]
