# tools/run_stage.sh seeds voc_animals --config configs/seeds/bas_r18_voc_animals.py --work-dir work/r18
# For quick trials: half of the time of bas_r50_voc_animals.py, and seeds of the 385 images that VOC calls
# train alone. Measured with train.amp=bf16 infer.amp=bf16: docs/results/resnet18.md.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "bas"
model = dict(
    backbone="resnet18",
    pretrained="../shared/data/weights/resnet18_imagenet.pth",
    warmup_epochs=2,
    normalize_features=True,
)
train = dict(epochs=8, learning_rate=0.003, classifier_factor=2.0, generator_factor=10.0)
infer = dict(split="animals_train")
baselines = dict(cam="cam_r18_voc_animals.py")
