# tools/run_stage.sh segment voc
# DeepLabV2 on ImageNet ResNet101, 20k iterations: the defaults of the base config. Expected on val, from BAS
# masks: 69.6 after the dense CRF; with full supervision 77.6 (paper; not measured by us yet).
_base_ = ["../_base_/voc.py"]
infer = dict(crf=True)
