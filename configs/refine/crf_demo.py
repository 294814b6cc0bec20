# tools/run_stage.sh refine demo --config configs/refine/crf_demo.py --variant crf
# The baseline of irn_plain8_demo.py: nothing is trained. Expected: 58.4 from the BAS seeds of commit
# f7adb03 (43.4 at the same threshold, 44.3 at their oracle's), whose IRN masks have 51.2; measured at
# bdaa081 on two busy CPU cores, 22 s. The gain of 15 is the demo's: on voc_mini it is 4 to 6.
_base_ = ["../_base_/demo.py"]
method = "crf"
