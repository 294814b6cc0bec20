# tools/run_stage.sh seeds voc_animals --config configs/seeds/cam_irn_r50_voc_animals.py --variant cam_irn
# IRN's CAM: its rate of .1 (x10 for the classifier), three frozen levels, fixed statistics of batch norm with
# trained weights and biases. Crops and scales are those of bas_r50_voc_animals.py.
# Expected: docs/results/voc_animals.md.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "cam"
model = dict(batch_norm="fixed_statistics")
train = dict(epochs=8, learning_rate=0.1, momentum=1e-4)
