"""What published networks make of the errors in the masks that they were trained on.

    python benchmarks/mask_errors.py [DATASET] [--work-dir DIR] [--data-root DIR] [--every 4] [--scale 1.0]

Every n-th training image is predicted with the networks in WORK/segment and WORK/segment-full, at one scale
with flip. Without a data set, that of the demo.
"""

import argparse
from pathlib import Path

import segment  # noqa: F401  (the compatibility layer comes first)

# isort: split
import numpy as np

from ratios import print_ratio, skip
from segment.infer import predict_probabilities
from segment.network import load_network
from segment.settings import complete_config
from segment.stage import STAGE
from segment.train import NETWORK
from wsss.artifacts import IGNORE, open_artifact, read_mask
from wsss.config import load_config
from wsss.datasets import build_dataset
from wsss.images import read_image
from wsss.metrics import confusion_matrix, mean_iou
from wsss.paths import PROJECT_ROOT


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("--work-dir", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    roots = [] if options.data_root is None else [f"dataset.root={options.data_root.absolute()}"]
    config = load_config(STAGE, options.dataset, options=[*roots, "model.pretrained=None"])
    work = options.work_dir or PROJECT_ROOT / "work" / options.dataset
    if not (work / "segment-full" / "train" / NETWORK).is_file():
        skip(f"no networks in {work}: tools/run_stage.sh all {options.dataset}")
    data = build_dataset(config.dataset)
    labels = len(data.classes)
    ids = data.ids(config.dataset.train_split)[:: options.every]
    artifact = open_artifact(work / "masks")
    masks = {one: read_mask(artifact.file(one)) for one in ids}
    truths = {one: data.truth(one) for one in ids}
    of_masks = score(masks, truths, labels)
    print(f"{len(ids)} images, masks' mIoU {of_masks:.1f}")
    model = complete_config(config, num_classes=labels, masks=None).model
    for name in ("segment", "segment-full"):
        network = load_network(model, work / name / "train" / NETWORK)
        found = {}
        for one in ids:
            image = read_image(data.image_file(one))
            found[one] = predict_probabilities(network, image, scales=(options.scale,), flip=True).argmax(
                axis=0
            )
        against_truth, against_masks = score(found, truths, labels), score(found, masks, labels)
        print(f"{name}: mIoU {against_truth:.1f} against truth, {against_masks:.1f} against masks")
        print(f"  {shares(found, masks, truths)}")
        print_ratio(f"mIoU on training images, {name} / the masks", against_truth / of_masks)


def score(found: dict, truths: dict, labels: int) -> float:
    """The mIoU in percent; 255 of what is scored counts as background."""
    confusion = sum(
        confusion_matrix(np.where(found[one] == IGNORE, 0, found[one]), truth, labels)
        for one, truth in truths.items()
    )
    return 100 * mean_iou(confusion)


def shares(found: dict, masks: dict, truths: dict) -> str:
    """How the network decides on the pixels that the masks have wrong, and on those that they have right."""
    counts = np.zeros(5, np.int64)
    for one, truth in truths.items():
        mask, label = masks[one], found[one]
        known = (truth != IGNORE) & (mask != IGNORE)
        wrong, right = known & (mask != truth), known & (mask == truth)
        kept = label == mask
        counts += [
            wrong.sum(),
            (wrong & kept).sum(),
            (wrong & (label == truth)).sum(),
            right.sum(),
            (right & kept).sum(),
        ]
    wrong, repeated, corrected, right, kept = counts
    return (
        f"{100 * wrong / (wrong + right):.1f} % wrong in the masks, of these {100 * repeated / wrong:.1f} % "
        f"repeated and {100 * corrected / wrong:.1f} % put right; "
        f"{100 * kept / right:.1f} % of the right ones kept"
    )


if __name__ == "__main__":
    main()
