# tools/run_stage.sh seeds voc_mini --config configs/seeds/bas_r50_voc_mini.py --work-dir work/voc_mini-r50
# As bas_r50_voc_animals.py, with half as many steps (656). --split train_aug trains on 1,464 images, and
# scores train's 664 with score_split=train. Expected: docs/results/voc_mini.md.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_r50_small.py"]
method = "bas"
model = dict(warmup_epochs=4, normalize_features=True)
train = dict(epochs=16, learning_rate=0.003, classifier_factor=2.0, generator_factor=10.0)
baselines = dict(cam="cam_r50_voc_mini.py", cam_irn="cam_irn_r50_voc_mini.py")
