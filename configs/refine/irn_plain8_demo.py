# tools/run_stage.sh refine demo
# Two CPU cores, on the backbone that the stage seeds trained. Expected: docs/results/demo.md.
# A walk of n steps reaches as far as sqrt(n) pixels of its grid. The demo's grid is a quarter as wide as that
# of VOC, so 256 / 4^2 = 16 steps reach the same share of an image; 256 smear the seeds over all of it.
_base_ = ["../_base_/demo.py"]
model = dict(backbone="plain8", pretrained="seeds", displacement=False)
# Few steps: the momentum makes up for them.
train = dict(radius=5.0, crop=128, rescale=(0.75, 1.25), epochs=6, batch_size=16, momentum=0.9)
infer = dict(steps=16)
