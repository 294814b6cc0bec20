# tools/run_stage.sh seeds bas_localization_r50_openimages --data-root OpenImages
# wsss evaluate boxes work/bas_localization_r50_openimages/seeds openimages --data-root ...
# Paper, test: PIoU 50.72, PxAP 66.86. The code's table says 50 epochs;
# as published it runs 120 unless told otherwise.
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/openimages.py"]
method = "bas_localization"
model = dict(backbone="resnet50", alpha=0.5, beta=1.5)
train = dict(epochs=50, batch_size=64, decay_epochs=20)
infer = dict(split="test")
