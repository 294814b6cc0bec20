# The settings that all methods of the stage `refine` have. Each method adds its own, with their defaults:
# DEFAULTS in refine/methods/irn.py and crf.py. A key that is in neither is refused. These lie under every
# preset of the stage, which need not inherit them. A preset of any stage may also say which of its settings
# ground truth chose: tuned=dict(on="voc_mini, train", settings=("infer.beta", ...)); manifests repeat it.
method = "irn"  # "irn", "crf" (nothing is trained), or the method of an installed package
random_seed = 0
score_split = None  # the split whose figures are published; None: dataset.score_split, else all images
baselines = dict()  # name -> config file beside this one; published as masks-NAME
