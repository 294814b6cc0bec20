# tools/run_stage.sh seeds bas_localization_inception_v3_ilsvrc --data-root ILSVRC
# wsss evaluate boxes work/bas_localization_inception_v3_ilsvrc/seeds ilsvrc --threshold 0.25 --data-root ...
# Paper, test, Top-1 / Top-5 / GT-known: 58.50 / 69.03 / 72.07.
# The conference's: --cfg-options model.version=cvpr22_ilsvrc infer.threshold=0.3
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/ilsvrc.py"]
method = "bas_localization"
model = dict(backbone="inception_v3", alpha=1.0, beta=2.5)
train = dict(epochs=9, batch_size=128, decay_epochs=3)
infer = dict(split="test", threshold=0.25)
