# tools/run_stage.sh seeds fam_vgg16_cub --data-root CUB_200_2011
# wsss evaluate boxes work/fam_vgg16_cub/seeds cub --data-root ...
# Paper, test, Top-1 Loc / GT-known: 69.26 / 89.26. There is no public
# code; model.assumptions has what the paper leaves open, and optimizer and schedule are those of BAS.
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/cub.py"]
method = "fam"
model = dict(backbone="vgg16")
infer = dict(split="test")
