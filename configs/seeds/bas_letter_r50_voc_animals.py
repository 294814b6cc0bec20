# tools/run_stage.sh seeds voc_animals --config configs/seeds/bas_letter_r50_voc_animals.py --variant letter
# The authors' settings for VOC to the letter (bas_r50_voc.py: crops of 448, ten epochs, four scales) on the
# six classes: 1,660 steps, for a GPU. Not measured by us yet.
_base_ = ["../_base_/voc_animals.py"]
method = "bas"
model = dict(pretrained="../shared/data/weights/resnet50_imagenet.pth")
infer = dict(geometry="irn")
