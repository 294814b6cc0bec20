# tools/run_stage.sh seeds voc_mini
# (it runs as a baseline of bas_mbv1_voc_mini.py and is published as seeds-cam)
# Plain CAM on the weights, crops and epochs of bas_mbv1_voc_mini.py. Expected: docs/results/voc_mini.md.
# IRN trains with rate .1 and (effectively) no momentum; .01 with momentum .9 makes steps of the same length.
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds_mbv1.py"]
method = "cam"
model = dict(pretrained="../shared/data/weights/mobilenetv1_100_imagenet.pth", batch_norm="fixed")
train = dict(learning_rate=0.01)
infer = dict(scales=(0.5, 0.75), image_specific=True)
