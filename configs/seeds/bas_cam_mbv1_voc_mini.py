# tools/run_stage.sh seeds voc_mini (publishes it as seeds-combined, after BAS and CAM)
# Expected: docs/results.md (measured there with commit and command).
_base_ = ["../_base_/voc_mini.py", "../_base_/seeds.py"]
method = "combine"
reads = ("seeds", "seeds-cam")
