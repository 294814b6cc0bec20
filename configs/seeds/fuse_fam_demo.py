# tools/run_stage.sh seeds cam_plain8_demo --work-dir work/demo --variant cam
# tools/run_stage.sh seeds fam_plain8_demo --work-dir work/demo --variant fam
# tools/run_stage.sh seeds fuse_fam_demo --work-dir work/demo --variant cam-fam
# Class maps of CAM where the class-agnostic map of FAM is as high, their mean where it is lower; nothing is
# trained. Nobody published such a fusion. infer.fuse=replace takes the lower one.
_base_ = ["../_base_/demo.py"]
method = "combine"
reads = ("seeds-cam", "seeds-fam")
infer = dict(fuse="average")
