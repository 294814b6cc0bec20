# tools/run_stage.sh seeds bas_localization_inception_v3_cub --data-root CUB_200_2011
# wsss evaluate boxes work/bas_localization_inception_v3_cub/seeds cub --threshold 0.1 --data-root ...
# Paper, test, Top-1 / Top-5 / GT-known: 72.09 / 88.11 / 94.63.
# The conference's: --cfg-options model.version=cvpr22 train.epochs=100
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/cub.py"]
method = "bas_localization"
model = dict(backbone="inception_v3", alpha=0.5, beta=1.0)
train = dict(epochs=120, batch_size=32, decay_epochs=80)
infer = dict(split="test", top_k=200, threshold=0.1)
