# tools/run_stage.sh refine folder --data-root IMAGES
# Your own images. Nobody scored your seeds, so the thresholds are those that suit voc_mini's; look at the
# masks (`wsss report`), and lower labels.*_threshold and infer.background_score where objects are cut short.
_base_ = ["../_base_/folder.py", "../_base_/refine.py"]
model = dict(backbone="mobilenetv1_100", displacement=False)
labels = dict(foreground_threshold=0.70, background_threshold=0.45, chosen="fixed in the preset: as voc_mini")
infer = dict(seed_power=10.0, beta=6.0, background_score=0.25, chosen="fixed in the preset: as voc_mini")
train = dict(crop=256, batch_size=16, momentum=0.9)
