# tools/run_stage.sh segment voc --config configs/segment/deeplabv2_r101_voc_30k.py
# The longer recipe of AdvCAM and its followers: 30k iterations, images scaled up to 2.0. Expected on val: as
# deeplabv2_r101_voc.py (not measured by us yet).
_base_ = ["deeplabv2_r101_voc.py"]
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="ReadImage"),
            dict(type="ReadMask"),
            dict(type="RandomScale", ratio_range=(0.5, 2.0)),
            dict(type="RandomCrop", crop_size=(321, 321)),
            dict(type="RandomFlip", prob=0.5),
            dict(type="PackSegInputs"),
        ],
    ),
)
train_cfg = dict(max_iters=30000)
