# tools/run_stage.sh seeds bas_r18_voc_animals --work-dir work/animals-r18
# A third of the time of bas_r50_voc_animals.py, for trials of one setting at a time.
_base_ = ["bas_r50_voc_animals.py"]
model = dict(backbone="resnet18", pretrained="../shared/data/weights/resnet18_imagenet.pth")
baselines = dict(_delete_=True, cam="cam_r18_voc_animals.py")
