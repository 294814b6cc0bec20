# tools/run_stage.sh seeds bas_localization_vgg16_cub --data-root CUB_200_2011
# wsss evaluate boxes work/bas_localization_vgg16_cub/seeds cub --threshold 0.1 --data-root ...
# Paper, test, Top-1 / Top-5 / GT-known: 70.90 / 85.36 / 91.04.
# The conference's: --cfg-options model.version=cvpr22 model.beta=0.7 train.epochs=100 infer.threshold=0.15
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/cub.py"]
method = "bas_localization"
model = dict(backbone="vgg16", alpha=0.0, beta=0.9)
train = dict(epochs=120, batch_size=32, decay_epochs=80)
infer = dict(split="test", top_k=80, threshold=0.1)
