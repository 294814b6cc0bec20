# tools/run_stage.sh refine bcam_folder --data-root IMAGES --seeds work/bcam_mbv1_folder/seeds
# The masks that B-CAM draws itself: no threshold, nothing is trained. infer.crf=True moves their outlines to
# the image's edges. No figures: there is no ground truth.
_base_ = ["../_base_/folder.py"]
method = "crf"
infer = dict(threshold=0.0, crf=False)
