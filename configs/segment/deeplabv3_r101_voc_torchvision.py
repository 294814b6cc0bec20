# tools/run_stage.sh segment voc --config configs/segment/deeplabv3_r101_voc_torchvision.py --variant released
# torchvision's DeepLabV3, trained on pixel labels of VOC's classes in COCO; its file put at the path below by
# hand: nothing is trained. torchvision has 67.4 on COCO's val with VOC's labels, and no figure for VOC (not
# measured by us yet). ResNet50: model.backbone.name=resnet50 and its own file.
_base_ = ["../_base_/voc.py"]
infer = dict(scales=(1.0,), flip=False)  # as torchvision scores it
model = dict(
    pretrained=None,
    weights="data/weights/deeplabv3_resnet101_coco-586e9e4e.pth",
    train_scales=(1.0,),
    decode_head=dict(
        _delete_=True,
        type="TorchvisionDeepLabV3Head",
        in_channels=2048,
        in_index=4,
        num_classes=21,  # with background; the stage sets it from the data set
    ),
)
