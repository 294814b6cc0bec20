# tools/run_stage.sh seeds voc_mini --config configs/seeds/cam_r50_voc_mini.py --variant cam
# As cam_r50_voc_animals.py, a baseline of bas_r50_voc_mini.py. Not measured by us yet.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_r50_small.py"]
method = "cam"
model = dict(frozen_levels=0)
train = dict(epochs=16, learning_rate=0.01)
