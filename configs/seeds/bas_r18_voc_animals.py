# tools/run_stage.sh seeds voc_animals --config configs/seeds/bas_r18_voc_animals.py --work-dir work/r18
# A third of the time of bas_r50_voc_animals.py, for trials of one setting at a time. Not measured by us yet.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "bas"
model = dict(
    backbone="resnet18",
    pretrained="../shared/data/weights/resnet18_imagenet.pth",
    warmup_epochs=1,
    normalize_features=True,
)
train = dict(epochs=4, learning_rate=0.003, classifier_factor=2.0, generator_factor=10.0)
baselines = dict(cam="cam_r18_voc_animals.py")
