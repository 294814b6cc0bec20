# tools/run_stage.sh seeds voc_animals --config configs/seeds/cam_r18_voc_animals.py --variant cam
# The baseline of bas_r18_voc_animals.py with the same freedom: all layers and batch norm train.
# With half of the steps: docs/results/two_levels.md.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "cam"
model = dict(backbone="resnet18", pretrained="../shared/data/weights/resnet18_imagenet.pth", frozen_levels=0)
train = dict(epochs=8, learning_rate=0.01)
infer = dict(split="animals_train")
