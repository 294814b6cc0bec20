# tools/run_stage.sh refine folder --data-root IMAGES --config configs/refine/crf_folder.py --variant crf
# Your own images, in minutes. There is no ground truth, so the tags choose the threshold; look at the masks
# (`wsss report`), and lower infer.threshold where objects are cut short.
_base_ = ["../_base_/folder.py"]
method = "crf"
infer = dict(threshold="tags")
