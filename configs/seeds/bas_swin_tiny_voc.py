# tools/run_stage.sh seeds voc --config configs/seeds/bas_swin_tiny_voc.py --work-dir work/voc-swin
# BAS on a Swin-T of timm with ImageNet weights. Expected: not measured by us yet.
# Rates and weight decay are those that Swin's authors train segmentation with; new layers learn ten times
# faster, as in BAS. The features before the cut are a sum that no norm follows: they are normalized here. The
# last stage merges around each cell instead of every second one, so that class maps have stride 16 too.
_base_ = ["../_base_/voc.py"]
method = "bas"
model = dict(backbone="timm:swin_tiny_patch4_window7_224", warmup_epochs=1, normalize_features=True)
train = dict(
    optimizer="adamw",
    learning_rate=6e-5,
    weight_decay=0.01,
    poly_length=1.0,
    biases=True,
)
