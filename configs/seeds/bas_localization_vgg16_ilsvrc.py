# tools/run_stage.sh seeds bas_localization_vgg16_ilsvrc --data-root ILSVRC
# wsss evaluate boxes work/bas_localization_vgg16_ilsvrc/seeds ilsvrc --threshold 0.45 --data-root ...
# Paper, test, Top-1 / Top-5 / GT-known: 52.94 / 65.38 / 69.66.
# The conference's: --cfg-options model.version=cvpr22_ilsvrc train.batch_size=128 infer.threshold=0.5
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/ilsvrc.py"]
method = "bas_localization"
model = dict(backbone="vgg16", alpha=0.05, beta=1.0)
train = dict(epochs=9, batch_size=256, decay_epochs=3)
infer = dict(split="test", threshold=0.45)
