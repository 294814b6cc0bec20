# tools/run_stage.sh segment voc --config configs/segment/deeplabv2_r101_voc_coco_init.py
# From MS-COCO instead of ImageNet: weights of deeplab-pytorch, put at the path below by hand. Such figures do
# not compare with those from ImageNet: deeplab-pytorch's README has 76.65 on VOC's val, and 77.93 after the
# dense CRF, of such a network under full supervision (not measured by us yet).
_base_ = ["deeplabv2_r101_voc.py"]
pretrained_on = "ImageNet and MS-COCO"
model = dict(
    data_preprocessor=dict(mean=[122.675, 116.669, 104.008], std=[1.0, 1.0, 1.0]),  # as those weights expect
    pretrained="data/weights/deeplabv1_resnet101-coco.pth",
    backbone=dict(released=True),
)
