# tools/run_stage.sh seeds voc --config configs/seeds/cam_r50_voc.py --variant cam
# Expected: seed mIoU 48.8 on train at the oracle threshold (paper's table, IRN's CAM; not measured here).
# Paper: momentum .9; IRN's code, which made the figure and is followed here, has the weight decay there.
# IRN's square crops of 512; its rescaling of the long side to 320-640 is a square resize of 576 here.
_base_ = ["../_base_/voc.py"]
method = "cam"
model = dict(batch_norm="fixed_statistics")
train = dict(resize=576, crop=512, epochs=5, learning_rate=0.1, momentum=1e-4, poly_length=1.0, biases=True)
infer = dict(geometry="irn")
