# tools/run_stage.sh seeds voc --config configs/seeds/bas_r50_voc.py --work-dir work/voc-bas
# tools/run_stage.sh seeds voc --config configs/seeds/cam_r50_voc.py --variant cam --work-dir work/voc-bas
# tools/run_stage.sh seeds voc --config configs/seeds/bas_cam_voc.py --variant combined \
#     --work-dir work/voc-bas
# Expected: seed mIoU 58.2 on train at the oracle threshold ("BAS + IRN", no foreground map: paper, not
# measured by us yet). Imported seeds lie beside ours: name their folder in reads.
_base_ = ["../_base_/voc.py"]
method = "combine"
reads = ("seeds", "seeds-cam")
