# A short training of a small network, for two CPU cores; voc_mini, folder and coco_mini share it.
# Without normalized features half of the class channels die in so short a training. The classifier's rate is
# kept low: its 1,024 features have a mean of .6, and at a rate of .03 its loss doubles before it falls.
_base_ = ["seeds.py"]
model = dict(backbone="mobilenetv1_100", warmup_epochs=3, normalize_features=True)
train = dict(
    resize=224,
    crop=192,
    epochs=12,
    learning_rate=0.003,
    classifier_factor=1.5,
    generator_factor=5.0,
    momentum=0.9,
    poly_length=1.0,
    biases=True,
)
