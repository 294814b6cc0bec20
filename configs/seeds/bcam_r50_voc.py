# tools/run_stage.sh seeds bcam_r50_voc --data-root VOC2012
# Paper, train, on ResNet38: 52.69 by the difference, 52.64 by the object map.
# This is the authors' code, another system than the paper, but for IRN's loader: here images are squares of
# 512 cropped to 448. Its optimizer has the weight decay in momentum's place. Without a threshold:
# --cfg-options infer.rule=difference infer.threshold=0
# Not measured by us: it takes a GPU.
_base_ = ["../_base_/voc.py"]
method = "bcam"
