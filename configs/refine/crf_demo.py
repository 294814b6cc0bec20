# tools/run_stage.sh refine demo --config configs/refine/crf_demo.py --variant crf
# The yardstick for irn_plain8_demo.py: nothing is trained. Expected: 58.4 from the BAS seeds of commit f7adb03
# (44.3 at their oracle threshold), whose IRN masks have 51.2; measured with commit 55bcfeb and this method's first
# version, 40 s on two busy CPU cores. Colour alone tells the demo's creatures from their grounds, which real
# images do not grant (docs/results.md, Masks).
_base_ = ["../_base_/demo.py", "../_base_/refine.py"]
method = "crf"
