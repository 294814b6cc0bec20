# tools/run_stage.sh segment voc_animals --config configs/segment/deeplabv2_r18_voc_animals.py
# For the masks of irn_r18_voc_animals.py.
_base_ = ["../_base_/voc_animals.py", "../_base_/segment_r50_small.py"]
dataset = dict(train_split="animals_train")
model = dict(
    pretrained="../shared/data/weights/resnet18_imagenet.pth",
    backbone=dict(name="resnet18"),
    decode_head=dict(in_channels=512),
)
baselines = dict(full="deeplabv2_r18_voc_animals_full.py")
