# tools/run_stage.sh seeds voc_mini
# Plain CAM on the weights, crops and epochs of bas_mbv1_voc_mini.py, as its baseline.
# IRN trains with rate .1 and (effectively) no momentum; .01 with momentum .9 makes steps of the same length.
_base_ = ["bas_mbv1_voc_mini.py"]
method = "cam"
model = dict(fixed_batch_norm=True)
train = dict(learning_rate=0.01, classifier_factor=10.0)
baselines = dict(_delete_=True)
