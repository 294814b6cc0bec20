# tools/run_stage.sh refine voc_animals --config configs/refine/irn_r18_voc_animals.py --work-dir work/r18
# For seeds of bas_r18_voc_animals.py with infer.threshold=tags. Ground truth (of voc_mini) chose beta alone.
_base_ = ["../_base_/voc_animals.py", "../_base_/refine_r50_small.py"]
dataset = dict(train_split="animals_train")
model = dict(
    backbone="resnet18", pretrained="../shared/data/weights/resnet18_imagenet.pth", displacement=False
)
labels = dict(foreground_threshold="tags", background_threshold="tags")
train = dict(epochs=10)
infer = dict(seed_power="tags", background_score="tags")
