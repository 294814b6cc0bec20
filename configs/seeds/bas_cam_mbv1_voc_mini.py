# tools/run_stage.sh seeds voc_mini
# (it runs as a baseline of bas_mbv1_voc_mini.py, after BAS and CAM, and is published as seeds-combined)
# Expected: docs/results/voc_mini.md. Nothing is trained: two CPU cores.
_base_ = ["../_base_/voc_mini.py"]
method = "combine"
reads = ("seeds", "seeds-cam")
