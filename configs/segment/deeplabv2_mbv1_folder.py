# tools/run_stage.sh segment folder --data-root IMAGES
# Your own images, from ImageNet weights that are downloaded once; two CPU cores train it within ten minutes.
_base_ = ["../_base_/folder.py", "../_base_/segment_mbv1.py"]
infer = dict(scales=(0.5, 0.75, 1.0))
