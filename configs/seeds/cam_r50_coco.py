# tools/run_stage.sh seeds coco --config configs/seeds/cam_r50_coco.py --variant cam
# IRN names no figures for COCO; its VOC recipe, as the authors of BAS use it for "BAS + IRN".
_base_ = ["../_base_/coco.py"]
method = "cam"
model = dict(batch_norm="fixed_statistics")
train = dict(resize=576, crop=512, epochs=5, learning_rate=0.1, momentum=1e-4, poly_length=1.0, biases=True)
infer = dict(geometry="irn")
