# tools/run_stage.sh seeds voc_animals --config configs/seeds/cam_r50_voc_animals.py --variant cam
# The CAM with the freedom that bas_r50_voc_animals.py has: all layers and batch norm train. The rates are
# IRN's, made for this momentum: CAM's loss is a mean over the classes and BAS's a sum, so that it learns too
# little at BAS's rates (.003, classifier x2).
# Expected: docs/results/voc_animals.md.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "cam"
model = dict(frozen_levels=0)
train = dict(epochs=8, learning_rate=0.01)
