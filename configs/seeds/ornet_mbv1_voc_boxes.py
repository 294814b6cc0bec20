# tools/run_stage.sh seeds ornet_mbv1_voc_boxes
# wsss evaluate boxes work/ornet_mbv1_voc_boxes/seeds voc_boxes
# Three trainings on two CPU cores, too short for it (docs/results/methods.md). MobileNetV1 judges, not VGG16.
_base_ = ["../_base_/voc_boxes.py"]
method = "ornet"
model = dict(
    backbone="mobilenetv1_100",
    pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth",
    evaluator=dict(
        backbone="mobilenetv1_100", pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth"
    ),
)
train = dict(
    resize=224,
    crop=192,
    epochs=12,
    evaluator=dict(epochs=12),
    fine=dict(epochs=12, learning_rate=0.001),
)
