# tools/run_stage.sh seeds fam_mbv1_voc_boxes
# wsss evaluate boxes work/fam_mbv1_voc_boxes/seeds voc_boxes
# A short training on two CPU cores. Parts are pooled from the foreground, as in fam_plain8_demo_boxes.py.
# Expected: docs/results/methods.md.
_base_ = ["../_base_/voc_boxes.py"]
method = "fam"
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    assumptions=dict(pool_from="foreground"),
)
train = dict(resize=224, crop=192, epochs=12, batch_size=16, decay_epochs=8)
