# tools/run_stage.sh seeds bas_localization_mbv1_ilsvrc --data-root ILSVRC
# wsss evaluate boxes work/bas_localization_mbv1_ilsvrc/seeds ilsvrc --threshold 0.5 --data-root ...
# Paper, test, Top-1 / Top-5 / GT-known: 53.05 / 66.68 / 72.03.
# The conference's: --cfg-options model.version=cvpr22_ilsvrc
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/ilsvrc.py"]
method = "bas_localization"
model = dict(backbone="mobilenetv1", alpha=0.5, beta=1.5)
train = dict(epochs=9, batch_size=128, decay_epochs=3)
infer = dict(split="test", threshold=0.5)
