# tools/run_stage.sh refine demo
# Two CPU cores, on the backbone that the stage seeds trained. Expected: docs/results.md (measured there with
# commit and command).
_base_ = ["../_base_/demo.py", "../_base_/refine.py"]
model = dict(backbone="plain8", pretrained=None, weights_from="seeds", displacement=False)
train = dict(radius=5.0, crop=96, rescale=(0.75, 1.25), batch_size=16, learning_rate=0.02, momentum=0.9)
