# tools/run_stage.sh segment voc --config configs/segment/deeplabv2_swin_tiny_voc.py --work-dir work/voc-swin
# DeepLabV2's head on a Swin-T of timm with ImageNet weights. Expected on val: not measured by us yet.
# Rates and weight decay are those that Swin's authors train segmentation with; the head learns ten times
# faster. Windows cannot be dilated, so the stride is 16, with half of the head's dilations, and one scale in
# training. layer_decay below 1 (.8, say) would hold the lower stages back further.
_base_ = ["../_base_/voc.py"]
model = dict(
    train_scales=(1.0,),
    backbone=dict(name="timm:swin_tiny_patch4_window7_224", output_stride=16, dilate=False),
    decode_head=dict(in_channels=768, dilations=(3, 6, 9, 12)),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=6e-5, weight_decay=0.01),
    paramwise_cfg=dict(head_factor=10.0, head_bias_factor=10.0, layer_decay=1.0, decay_norms=False),
)
infer = dict(crf=True)
