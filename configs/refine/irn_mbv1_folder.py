# tools/run_stage.sh refine folder --data-root IMAGES
# Your own images. Nobody scored your seeds, so the thresholds are those that suit voc_mini's; look at the
# masks (`wsss report`), and lower labels.*_threshold and infer.background_score where objects are cut short.
_base_ = ["../_base_/folder.py", "../_base_/refine_mbv1.py"]
