# tools/run_stage.sh seeds bas_localization_mbv1_voc_boxes
# wsss evaluate boxes work/bas_localization_mbv1_voc_boxes/seeds voc_boxes
# A short training on two CPU cores. Normalized features and a warm-up are ours: without them each map is flat
# within ten steps. Expected: docs/results/methods.md. timm's weights start further from their training than
# the authors' would: seeds/localization_backbones.py.
_base_ = ["../_base_/voc_boxes.py"]
method = "bas_localization"
model = dict(
    backbone="mobilenetv1",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    hidden=128,
    normalize_features=True,
    warmup_epochs=2,
)
train = dict(resize=224, crop=192, epochs=12, batch_size=16, decay_epochs=8)
infer = dict(resize=224, threshold=0.5)
