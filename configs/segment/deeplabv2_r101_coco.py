# tools/run_stage.sh segment coco
# DeepLabV2 on ImageNet ResNet101 for the 80 classes of COCO and background: 50k iterations of 20 images.
# Expected on val, from BAS masks: 45.1 (paper; not measured by us yet).
_base_ = ["../_base_/coco.py"]
train_dataloader = dict(batch_size=20)
train_cfg = dict(max_iters=50000, val_interval=10000)
