# tools/run_stage.sh refine voc_animals
# IRN on the ResNet50 of the paper, at small crops; thresholds, seed power and beta are voc_mini's, whose
# seeds are as soft (oracle thresholds .6). Not measured by us yet.
_base_ = ["../_base_/voc_animals.py", "../_base_/refine_mbv1.py"]
model = dict(
    backbone="resnet50", pretrained="../shared/data/weights/resnet50_imagenet.pth", displacement=True
)
