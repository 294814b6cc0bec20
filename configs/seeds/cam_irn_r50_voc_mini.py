# tools/run_stage.sh seeds voc_mini --config configs/seeds/cam_irn_r50_voc_mini.py --variant cam_irn
# As cam_irn_r50_voc_animals.py, a baseline of bas_r50_voc_mini.py. Not measured by us yet.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_r50_small.py"]
method = "cam"
model = dict(batch_norm="fixed_statistics")
train = dict(epochs=16, learning_rate=0.1, momentum=1e-4)
