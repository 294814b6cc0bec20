# ResNet50, the paper's, at small crops and scales for two CPU cores: voc_animals and voc_mini share it.
# train.amp=bf16 infer.amp=bf16 make it 1.7 to 3 times as fast on a CPU with AMX.
model = dict(pretrained="../shared/data/weights/resnet50_imagenet.pth")
train = dict(resize=224, crop=192, momentum=0.9, poly_length=1.0, biases=True)
infer = dict(scales=(0.5, 0.75))
