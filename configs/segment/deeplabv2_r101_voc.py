# tools/run_stage.sh segment voc
# DeepLabV2 on ImageNet ResNet101, 20k iterations: the defaults of _base_/segment.py. Expected val mIoU from BAS
# masks: 69.6 after the dense CRF, and 77.6 with full supervision (paper; not measured by us yet).
_base_ = ["../_base_/voc.py", "../_base_/segment.py"]
infer = dict(crf=True)
