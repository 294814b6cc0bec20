# tools/run_stage.sh seeds voc_animals
# The paper's network at the paper's number of images per class, on two CPU cores: small crops, few steps.
# Expected: docs/results/voc_animals.md.
_base_ = ["../_base_/voc_animals.py", "../_base_/seeds_r50_small.py"]
method = "bas"
model = dict(warmup_epochs=2, normalize_features=True)
train = dict(epochs=8, learning_rate=0.003, classifier_factor=2.0, generator_factor=10.0)
# --no-baselines leaves them out.
baselines = dict(cam="cam_r50_voc_animals.py", cam_irn="cam_irn_r50_voc_animals.py")
