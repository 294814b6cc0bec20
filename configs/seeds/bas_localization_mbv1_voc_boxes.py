# tools/run_stage.sh seeds bas_localization_mbv1_voc_boxes
# wsss evaluate boxes work/bas_localization_mbv1_voc_boxes/seeds voc_boxes
# A short training on two CPU cores. Not measured as it is. In a smaller trial each map was flat within ten
# steps (docs/results.md): look at yours before you use them. timm's weights start further from their training
# than the authors' would: seeds/localization_backbones.py.
_base_ = ["../_base_/voc_boxes.py"]
method = "bas_localization"
model = dict(
    backbone="mobilenetv1",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    normalize_features=True,
    warmup_epochs=2,
)
train = dict(resize=224, crop=192, epochs=8, batch_size=16, decay_epochs=6)
infer = dict(resize=224, threshold=0.5)
