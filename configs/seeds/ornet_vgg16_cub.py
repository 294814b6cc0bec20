# tools/run_stage.sh seeds ornet_vgg16_cub --data-root CUB_200_2011
# wsss evaluate boxes work/ornet_vgg16_cub/seeds cub --data-root ...
# Paper, test: GT-known 86.19, errors of Top-1 / Top-5 localisation 32.26 / 19.23
# by three trainings. What the paper says where the authors' code does something else.
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/cub.py"]
method = "ornet"
model = dict(settings="paper", backbone="vgg16")
infer = dict(split="test")
