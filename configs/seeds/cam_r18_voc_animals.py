# The baseline of bas_r18_voc_animals.py with the same freedom: all layers and batch norm train.
_base_ = ["cam_r50_voc_animals.py"]
model = dict(backbone="resnet18", pretrained="../shared/data/weights/resnet18_imagenet.pth")
