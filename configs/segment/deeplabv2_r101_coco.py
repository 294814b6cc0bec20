# tools/run_stage.sh segment coco
# DeepLabV2 on ImageNet ResNet101 for the 80 classes of COCO and background: 50k iterations of 20 images.
# Expected on val, from BAS masks: 45.1 (paper; not measured by us yet).
_base_ = ["../_base_/coco.py", "../_base_/segment.py"]
model = dict(decode_head=dict(num_classes=81))
train_dataloader = dict(
    batch_size=20, dataset=dict(dataset="configs/_base_/coco.py", masks="work/coco/masks")
)
train_cfg = dict(max_iters=50000, val_interval=10000)
param_scheduler = dict(end=50000)
val_dataloader = dict(dataset=dict(dataset="configs/_base_/coco.py"))
test_dataloader = val_dataloader
