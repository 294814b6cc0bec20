# tools/run_stage.sh seeds bas_localization_r50_ilsvrc --data-root ILSVRC
# wsss evaluate boxes work/bas_localization_r50_ilsvrc/seeds ilsvrc --threshold 0.25 --data-root ...
# Paper, test, Top-1 / Top-5 / GT-known: 57.46 / 68.57 / 72.00.
# The conference's: --cfg-options model.version=cvpr22_ilsvrc infer.threshold=0.45
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/ilsvrc.py"]
method = "bas_localization"
model = dict(backbone="resnet50", alpha=1.0, beta=2.0)
train = dict(epochs=9, batch_size=128, decay_epochs=3)
infer = dict(split="test", threshold=0.25)
