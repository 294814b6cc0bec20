# tools/run_stage.sh seeds ornet_r50_cub --data-root CUB_200_2011
# wsss evaluate boxes work/ornet_r50_cub/seeds cub --data-root ...
# The authors' code: coarse model on ResNet50, VGG16 judges.
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/cub.py"]
method = "ornet"
model = dict(settings="code", backbone="resnet50")
infer = dict(split="test")
