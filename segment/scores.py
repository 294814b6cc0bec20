"""Figures of predictions, as numbers for programs and as a table for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segment.infer import PREDICTIONS, PREDICTIONS_CRF
from wsss.artifacts import read_mask
from wsss.datasets import DataSet
from wsss.distributed import is_main
from wsss.evaluate import evaluate_masks

SCORES = "scores.json"
TABLE = "scores.md"


def score_predictions(
    out_dir: Path, dataset: DataSet, image_ids: Sequence[str], *, split: str, crf: bool
) -> dict[str, Any]:
    """Score stored predictions.

    Args:
        out_dir: folder with ``predictions/SPLIT`` and, with the CRF, ``predictions_crf/SPLIT``.
        dataset: holds the ground truth.
        image_ids: images of the split.
        split: name of the split.
        crf: score those after the dense CRF too.

    Returns:
        Figures as `wsss.evaluate.Scores.figures` names them, those after the CRF with ``_crf`` behind. Empty
        where there is no ground truth, and in all processes but the one that publishes.
    """
    if not is_main() or not any(dataset.mask_path(image_id) is not None for image_id in image_ids):
        return {}

    def figures(name: str) -> dict[str, Any]:
        folder = out_dir / name / split
        scores = evaluate_masks(
            lambda image_id: read_mask(folder / f"{image_id}.png", num_classes=len(dataset.classes)),
            dataset,
            image_ids,
            description=f"score {name}",
        )
        return scores.figures()

    scored = figures(PREDICTIONS)
    if crf:
        scored |= {f"{key}_crf": value for key, value in figures(PREDICTIONS_CRF).items() if key != "images"}
    return scored


def score_table(scores: Mapping[str, Any]) -> str:
    """Markdown: IoU of each class in percent, with and without the CRF, and what the figures rest on.

    Args:
        scores: the content of ``scores.json``.
    """
    kinds = [kind for kind in ("", "_crf") if f"mIoU{kind}" in scores]
    lines = [f"# {scores['network']}, {scores['split']}", ""]
    if kinds:
        heads = {"": "IoU %", "_crf": "after the dense CRF"}
        lines += [
            "| class | " + " | ".join(heads[kind] for kind in kinds) + " |",
            "|---" * (len(kinds) + 1) + "|",
        ]
        rows = {
            name: [scores[f"per_class_iou{kind}"][name] for kind in kinds] for name in scores["per_class_iou"]
        }
        rows["**mIoU**"] = [scores[f"mIoU{kind}"] for kind in kinds]
        for name in ("mean_precision", "mean_recall"):
            rows[name.replace("_", " ")] = [scores[f"{name}{kind}"] for kind in kinds]
        rows["pixel accuracy"] = [scores[f"pixel_accuracy{kind}"] for kind in kinds]
        for name, values in rows.items():
            cells = ["-" if value is None else f"{100 * value:.1f}" for value in values]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    else:
        lines.append("No ground truth, so no score.")
    lines.append("")
    lines += [f"- {key.replace('_', ' ')}: {_shown(scores[key])}" for key in _FACTS if key in scores]
    return "\n".join(lines) + "\n"


_FACTS = (
    "supervision",
    "masks",
    "initialisation",
    "iterations",
    "weights",
    "random_seed",
    "scales",
    "flip",
    "precision",
    "training_images",
    "ignored_pixels",
    "seconds_of_training",
    "seconds_per_prediction",
)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
