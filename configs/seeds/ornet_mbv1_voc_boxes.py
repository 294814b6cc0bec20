# tools/run_stage.sh seeds ornet_mbv1_voc_boxes
# wsss evaluate boxes work/ornet_mbv1_voc_boxes/seeds voc_boxes
# Three short trainings on two CPU cores. Not measured. MobileNetV1 judges in the place of VGG16.
_base_ = ["../_base_/voc_boxes.py"]
method = "ornet"
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    evaluator=dict(
        backbone="mobilenetv1_100", pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth"
    ),
)
train = dict(resize=224, crop=192, epochs=6, evaluator=dict(epochs=6), fine=dict(epochs=3))
