# A short training of a small network, for two CPU cores; bas and cam share it on voc_mini, folder, coco_mini.
model = dict(backbone="mobilenetv1_100")
train = dict(resize=224, crop=192, epochs=12, momentum=0.9, poly_length=1.0, biases=True)
