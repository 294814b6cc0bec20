# tools/run_stage.sh seeds bcam_r50_cub --data-root CUB_200_2011
# wsss evaluate boxes work/bcam_r50_cub/seeds cub --data-root ...
# Paper, test: Top-1 70.8, MaxBoxAcc 90.10 at IoU .5, MaxBoxAccV2 82.90.
# The authors' code for ResNet50; their seed is 4.
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/cub.py"]
method = "bcam"
model = dict(backbone="resnet50", layout="cub", heads=100)
train = dict(
    resize=256,
    crop=224,
    epochs=20,
    batch_size=32,
    learning_rate=1.7e-4,
    momentum=0.9,
    nesterov=True,
    decay_epochs=15,
)
infer = dict(split="test", rule="gradient", resize=224, scales=(1.0,), flip=False, logits=True)
