# tools/run_stage.sh seeds voc --config configs/seeds/bas_two_levels_r50_voc.py
# Ours, not the paper's: a second generator after the last level, maps are the mean of both. Not measured by
# us on VOC; on six of its classes: docs/results/two_levels.md.
_base_ = ["../_base_/voc.py"]
method = "bas"
model = dict(two_levels=True)
infer = dict(geometry="irn")
