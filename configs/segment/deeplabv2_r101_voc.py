# tools/run_stage.sh segment voc
# DeepLabV2 on ImageNet ResNet101, 20k iterations: the defaults of the base config. Expected on val
# after the dense CRF: 70.3 from masks of BAS with the foreground map, 69.6 from those of bas_cam_voc.py; with
# full supervision 77.6 (paper; not measured by us yet).
_base_ = ["../_base_/voc.py"]
infer = dict(crf=True)
