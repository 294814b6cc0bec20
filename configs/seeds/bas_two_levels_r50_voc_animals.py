# tools/run_stage.sh seeds voc_animals --config configs/seeds/bas_two_levels_r50_voc_animals.py
# Ours, not the paper's: a second generator after the last level, maps are the mean of both. What it gives,
# and on which data it gives nothing: docs/results/two_levels.md.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "bas"
model = dict(two_levels=True, warmup_epochs=2, normalize_features=True)
train = dict(epochs=8, learning_rate=0.003, classifier_factor=2.0, generator_factor=10.0)
# --no-baselines leaves them out.
baselines = dict(cam="cam_r50_voc_animals.py", cam_irn="cam_irn_r50_voc_animals.py")
