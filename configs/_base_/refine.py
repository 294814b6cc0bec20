# Every setting of the stage `refine` with its default: IRN as the authors of BAS use it on VOC.
# A key that is not here is refused, so this file is also the list of what can be set.
seed = 0
model = dict(
    backbone="resnet50",
    pretrained="imagenet",  # None: random; "imagenet": downloaded once; or the path of a state dict
    weights_from=None,  # "seeds": the backbone that the stage seeds trained (pretrained must be None)
    displacement=True,  # False: edges and masks stay the same, a training step takes a quarter
    # File of a trained IRNet, ours (masks/train/irnet.pth) or the authors': nothing is trained, and no
    # confident labels are made.
    irnet=dict(pretrained=None),
)
# Confident labels. Other seeds, as (foreground, background, seed power, background score): IRN .30 .05 1 .25,
# AdvCAM .35 .15 1.5 .25, ReCAM .35 .10 1 .28 (COCO .25), RIB on COCO .35 .17 1.3 .22.
labels = dict(
    foreground_threshold=0.30,
    background_threshold=0.17,
    chosen="fixed in the preset: the authors of BAS, VOC",
    image_specific=False,  # bring each map's own threshold in the seeds to `calibrated_to` first
    calibrated_to=0.22,  # between the two thresholds; the walk then starts from these maps as well
    num_workers=0,  # processes for confident labels, walks and masks; 0: one per CPU core
)
train = dict(
    radius=10.0,  # of the pairs, in pixels of the stride-4 grid
    crop=512,
    rescale=(0.5, 1.5),
    epochs=3,
    batch_size=32,
    learning_rate=0.1,
    displacement_factor=10.0,
    momentum=1e-4,  # the authors' code puts weight decay in momentum's place; their numbers were made so
    weight_decay=1e-4,
    num_workers=2,
    amp=None,  # half precision: "bf16" (also on CPUs) or "fp16" (GPU)
    compile=False,  # torch.compile the training step: a minute to start, faster steps
)
infer = dict(
    radius=5.0,  # of the walk, in pixels of the stride-4 grid
    beta=10.0,
    steps=256,
    seed_power=1.5,
    background_score=0.22,
    unsure_margin=0.0,  # pixels become 255 whose label depends on the background score within this margin
    crf=False,  # dense CRF on the masks
    chosen="fixed in the preset: the authors of BAS, VOC",
)
baselines = dict()  # name -> config file beside this one; published as masks-NAME
