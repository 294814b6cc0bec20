"""IRN: a network learns edges from the seeds' confident parts, and the seeds walk between them.

Source: Ahn et al., CVPR 2019; the defaults are those that the authors of BAS use with it on VOC.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from refine.by_tags import resolve
from refine.clock import Clock
from refine.dataset import check_crops
from refine.guard import measure_shares, warn_of_shares
from refine.infer import EDGE, WALK, read_walk, read_walk_and_edge, write_edges, write_masks, write_walks
from refine.labels import write_confident_labels
from refine.methods import Decision, Made
from refine.model import IRNet
from refine.outlines import BY_EDGES, mean_of_outlines
from refine.train import NETWORK, load_irnet, train_irnet
from wsss.artifacts import read_mask
from wsss.backbones import OUTPUT_STRIDES, build_backbone
from wsss.config import Settings
from wsss.distributed import is_main, wait
from wsss.errors import ConfigError
from wsss.paths import resolve_path
from wsss.ranges import COUNT, NOT_NEGATIVE, POSITIVE, PRECISION, SHARE, SHARE_OR_TAGS, OneOf, Range
from wsss.scored import spread
from wsss.stage import Job
from wsss.thresholds import TAGS, Threshold

CONFIDENT = "confident"
_SAMPLE = 32  # images whose confident labels are looked at before the others are made
_DECISION = ("infer.background_score", "infer.unsure_margin", "infer.crf")

DEFAULTS: dict[str, Any] = {
    "model": {
        "backbone": "resnet50",
        # None: random; "imagenet": downloaded once; "seeds": the backbone that the stage seeds trained; or
        # the path of a state dict
        "pretrained": "imagenet",
        "output_stride": 16,  # of the backbone's last level; some backbones have 32 alone
        "displacement": True,  # False: edges and masks stay the same, a training step takes a quarter
        # File of a trained IRNet, ours (masks/train/irnet.pth) or the authors': nothing is trained, and no
        # confident labels are made.
        "irnet": {"pretrained": None},
    },
    # Confident labels. Other seeds, as (foreground, background, seed power, background score): IRN
    # .30 .05 1 .25, AdvCAM .35 .15 1.5 .25, ReCAM .35 .10 1 .28 (COCO .25), RIB on COCO .35 .17 1.3 .22.
    # "tags" for both, for the seed power or the background score: chosen without ground truth.
    "labels": {
        "foreground_threshold": 0.30,
        "background_threshold": 0.17,
        "image_specific": False,  # bring each map's own threshold in the seeds to `calibrated_to` first
        "calibrated_to": 0.22,  # between the two thresholds; the walk then starts from these maps as well
        "num_workers": 0,  # processes for confident labels, walks and masks; 0: one per CPU core
    },
    "train": {
        "radius": 10.0,  # of the pairs, in pixels of the stride-4 grid
        "crop": 512,
        "rescale": (0.5, 1.5),
        "epochs": 3,
        "batch_size": 32,
        "learning_rate": 0.1,
        "displacement_factor": 10.0,
        # The authors' code puts weight decay in momentum's place; their numbers were made so.
        "momentum": 1e-4,
        "weight_decay": 1e-4,
        "num_workers": 2,
        "amp": None,  # half precision: "bf16" (also on CPUs) or "fp16" (GPU)
        "compile": False,  # torch.compile the training step: a minute to start, faster steps
    },
    "infer": {
        "pad_to": None,  # side that images are padded to with zeros for their edges; the authors' code: 512
        "radius": 5.0,  # of the walk, in pixels of the stride-4 grid
        "beta": 10.0,
        "steps": 256,
        "seed_power": 1.5,
        "background_score": 0.22,
        "unsure_margin": 0.0,  # pixels become 255 whose label depends on the score within this margin
        "crf": False,  # dense CRF on the masks
    },
}
RANGES: dict[str, Range | OneOf] = {
    "model.output_stride": OneOf(OUTPUT_STRIDES),
    "labels.foreground_threshold": SHARE_OR_TAGS,
    "labels.background_threshold": SHARE_OR_TAGS,
    "labels.calibrated_to": Range(0, 1, above=True, below=True),
    "labels.num_workers": NOT_NEGATIVE,
    "train.radius": COUNT,
    "train.crop": Range(16),
    "train.rescale": POSITIVE,
    "train.epochs": COUNT,
    "train.batch_size": COUNT,
    "train.learning_rate": POSITIVE,
    "train.displacement_factor": NOT_NEGATIVE,
    "train.momentum": Range(0, 1, below=True),
    "train.weight_decay": NOT_NEGATIVE,
    "train.num_workers": NOT_NEGATIVE,
    "train.amp": PRECISION,
    "infer.pad_to": COUNT,
    "infer.radius": COUNT,
    "infer.beta": POSITIVE,
    "infer.steps": NOT_NEGATIVE,
    "infer.seed_power": Range(0, above=True, tags=True),
    "infer.background_score": SHARE_OR_TAGS,
    "infer.unsure_margin": SHARE,
}
THRESHOLDS = {
    "confident_foreground": "labels.foreground_threshold",
    "confident_background": "labels.background_threshold",
    "seed_power": "infer.seed_power",
    "background_score": "infer.background_score",
}
PARTS: dict[str, tuple[str, ...]] = {
    CONFIDENT: ("random_seed", "model", "train", "infer"),
    "train": ("infer",),
    EDGE: tuple(f"infer.{name}" for name in DEFAULTS["infer"] if name != "pad_to"),
    WALK: _DECISION,
}


class Irn:
    """Confident labels, IRNet's training, edges, the walk, and a background score."""

    name: str = "irn"
    accepts_agnostic: bool = True
    defaults: Mapping[str, Any] = DEFAULTS
    ranges: Mapping[str, Range | OneOf] = RANGES
    parts: Mapping[str, tuple[str, ...]] = PARTS

    def thresholds(self, settings: Settings) -> Mapping[str, Threshold]:
        """Those of the confident labels and of the walk."""
        return {entry: settings.threshold(name) for entry, name in THRESHOLDS.items()}

    def check(self, config: Mapping[str, Any]) -> None:
        """Refuse weights that do not fit, crossed thresholds, crops that IRNet cannot take."""
        given, labels, train = config["model"]["irnet"]["pretrained"], config["labels"], config["train"]
        if given is not None:
            if not resolve_path(given).is_file():
                raise ConfigError(
                    f"expected a trained IRNet at {resolve_path(given)}, found no file: correct "
                    "'model.irnet.pretrained'"
                )
            return
        model = config["model"]
        weights = None if model["pretrained"] in ("imagenet", "seeds") else model["pretrained"]
        build_backbone(model["backbone"], pretrained=weights, output_stride=model["output_stride"])
        check_crops(train["crop"], tuple(train["rescale"]))
        both = (labels["background_threshold"], labels["foreground_threshold"])
        if TAGS in both and both != (TAGS, TAGS):
            raise ConfigError(
                f"expected labels.background_threshold and labels.foreground_threshold both {TAGS!r} or both "
                f"numbers, got {both[0]!r} and {both[1]!r}: correct one of them"
            )
        if TAGS not in both and both[0] > both[1]:
            raise ConfigError(
                f"expected labels.background_threshold at most labels.foreground_threshold, got "
                f"{labels['background_threshold']} and {labels['foreground_threshold']}: correct one of them"
            )

    def write_masks(self, job: Job, image_ids: Sequence[str], clock: Clock) -> Made:
        """Fill ``job.out_dir`` with masks, and with what they are made from."""
        job, chosen = resolve(job)
        config, dataset, seeds, out_dir = job.config, job.dataset, job.inputs["seeds"], job.out_dir
        is_trained_here = config.model.irnet.pretrained is None
        if is_trained_here:
            _write_confident_labels(job, image_ids, clock)
            wait()
        network = _network(job, clock)
        made = write_edges(
            network, dataset, image_ids=image_ids, out_dir=out_dir / EDGE, pad_to=config.infer.pad_to
        )
        clock.stop("edge", made)
        made = write_walks(dataset, seeds, image_ids=image_ids, out_dir=out_dir, config=config)
        clock.stop("walk", made)
        outlines = None
        if config.infer.background_score == TAGS:
            wait()
            outlines = mean_of_outlines(seeds.ids, read=functools.partial(read_walk_and_edge, out_dir))
            chosen["background_score"] = Threshold(None, BY_EDGES)
        made = write_masks(dataset, image_ids=image_ids, out_dir=out_dir, config=config, outlines=outlines)
        clock.stop("mask", made)
        figures = {}
        if is_trained_here and is_main():
            shares = measure_shares(out_dir / CONFIDENT, seeds.ids)
            figures["confident_share"] = round(shares.confident, 4)
        return Made(
            figures=figures,
            extra={"initialisation": _initialisation(config["model"])},
            thresholds=chosen,
            decision=Decision("background_score", lambda one: read_walk(out_dir / WALK / f"{one}.npz")),
        )


def _write_confident_labels(job: Job, own: Sequence[str], clock: Clock) -> None:
    """Those of a sample first: thresholds that cannot work are named before hours are spent on them."""
    seeds, settings, out_dir = job.inputs["seeds"], job.config.labels, job.out_dir / CONFIDENT
    first = spread(own, _SAMPLE)
    made = write_confident_labels(job.dataset, seeds, image_ids=first, out_dir=out_dir, settings=settings)
    if is_main() and first:
        warn_of_shares(measure_shares(out_dir, first), seeds, first, settings, tags=job.dataset.tags)
    made += write_confident_labels(job.dataset, seeds, image_ids=own, out_dir=out_dir, settings=settings)
    clock.stop("confident_label", made)


def _network(job: Job, clock: Clock) -> IRNet:
    """The IRNet that the config gives, or one trained on the confident labels."""
    config, seeds, out_dir = job.config, job.inputs["seeds"], job.out_dir
    if config.model.irnet.pretrained is not None:
        return load_irnet(config, seeds)
    trained = (out_dir / "train" / NETWORK).is_file()
    network = train_irnet(
        config,
        job.dataset,
        seeds.ids,
        seeds=seeds,
        read_label=lambda image_id: read_mask(out_dir / CONFIDENT / f"{image_id}.png"),
        out_dir=out_dir / "train",
    )
    clock.stop("training", 0 if trained else len(seeds.ids))
    return network


def _initialisation(model: Mapping[str, Any]) -> str:
    if model["irnet"]["pretrained"] is not None:
        return f"IRNet from {model['irnet']['pretrained']}, not trained here"
    if model["pretrained"] == "seeds":
        return "backbone trained by the stage seeds"
    return str(model["pretrained"] or "random weights")


METHOD = Irn()
