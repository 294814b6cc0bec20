# For seeds of `seeds_mbv1.py`, on two CPU cores: what the presets of voc_mini, folder and coco_mini share.
model = dict(backbone="mobilenetv1_100", displacement=False)
# Seeds of short trainings are soft: their oracle threshold on voc_mini is .60, not about .2 as on VOC, so the
# thresholds of the authors would call nearly all pixels foreground. These lie around .60.
labels = dict(foreground_threshold=0.70, background_threshold=0.45)
# The walk takes means of the seeds, and means of soft seeds are high everywhere. A high power leaves only
# their cores to walk, which may then walk further (a lower beta): docs/results/masks.md. Sharp seeds, such
# as CAM's, want infer.seed_power=1.5 and a background score to match.
infer = dict(seed_power=10.0, beta=6.0, background_score=0.25)
# The manifest says so of each of these that is not set to something else.
tuned = dict(
    on="voc_mini, train",
    settings=(
        "labels.foreground_threshold",
        "labels.background_threshold",
        "infer.seed_power",
        "infer.beta",
        "infer.background_score",
    ),
)
# 123 steps on voc_mini in place of the authors' 990: the momentum makes up for them.
train = dict(crop=256, batch_size=16, momentum=0.9)
