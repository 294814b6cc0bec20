# tools/run_stage.sh seeds fam_mbv1_voc_boxes
# wsss evaluate boxes work/fam_mbv1_voc_boxes/seeds voc_boxes
# A short training on two CPU cores. Not measured.
_base_ = ["../_base_/voc_boxes.py"]
method = "fam"
model = dict(backbone="mobilenetv1_100", pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth")
train = dict(resize=224, crop=192, epochs=6, batch_size=16, decay_epochs=4)
