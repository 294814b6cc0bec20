# tools/run_stage.sh seeds cam_plain8_demo --work-dir work/demo --variant cam
# tools/run_stage.sh seeds ornet_plain8_demo --work-dir work/demo --variant ornet
# tools/run_stage.sh seeds fuse_ornet_demo --work-dir work/demo --variant cam-ornet
# Class maps of CAM where the class-agnostic map of ORNet is as high, their mean where it is lower; nothing is
# trained. Nobody published such a fusion. infer.fuse=replace takes the lower one.
_base_ = ["../_base_/demo.py"]
method = "combine"
reads = ("seeds-cam", "seeds-ornet")
infer = dict(fuse="average")
