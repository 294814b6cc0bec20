# tools/run_stage.sh refine folder --data-root IMAGES
# Your own images. There is no ground truth, so the tags choose the thresholds; look at the masks
# (`wsss report`); where objects are cut short or spill over, try one infer.background_score for all.
_base_ = ["../_base_/folder.py", "../_base_/refine_mbv1.py"]
labels = dict(foreground_threshold="tags", background_threshold="tags")
infer = dict(seed_power="tags", beta=10.0, background_score="tags")  # beta: the authors'
