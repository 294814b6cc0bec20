# Random weights on two CPU cores; bas and cam share it on the demo. Without pretrained weights no layer is
# ahead of the others, so all have the same rate.
model = dict(backbone="plain8", pretrained=None)
train = dict(
    resize=128,
    crop=112,
    epochs=40,
    learning_rate=0.05,
    classifier_factor=1.0,
    momentum=0.9,
    poly_length=1.0,
    biases=True,
)
infer = dict(scales=(0.5, 1.0), image_specific=True)
