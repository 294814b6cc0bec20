# tools/run_stage.sh seeds voc_animals --config configs/seeds/bas_two_levels_r50_voc_animals.py
# Ours, not the paper's: a second generator after the last level, maps are the mean of both. With half of the
# steps, and on ResNet18: docs/results.md, BAS on two levels.
_base_ = ["bas_r50_voc_animals.py"]
model = dict(two_levels=True)
