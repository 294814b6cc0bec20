# tools/run_stage.sh seeds bcam_mbv1_folder --data-root IMAGES
# tools/run_stage.sh refine bcam_folder --data-root IMAGES --seeds work/bcam_mbv1_folder/seeds
# Masks of your own images without any threshold: a pixel is a class's where the classifier of objects beats
# that of backgrounds. On a network that a CPU can train.
_base_ = ["../_base_/folder.py"]
method = "bcam"
model = dict(backbone="mobilenetv1_100", heads=20)
train = dict(resize=224, crop=192, epochs=12, learning_rate=0.003, momentum=0.9)
infer = dict(rule="difference", threshold=0.0, scales=(0.5, 0.75, 1.0))
