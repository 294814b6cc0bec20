"""How an artifact differs from its preset, and whether its figure is the one that the preset is known for."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.artifacts import MANIFEST, Artifact, open_artifact
from wsss.cli.stages import MAKERS, settings_by_folder
from wsss.config import Settings, flatten
from wsss.errors import ArtifactError, ConfigError
from wsss.keys import is_weights, settings_that_matter
from wsss.presets import CONFIG_DIR
from wsss.stage import Stage

# Data set -> folder -> mIoU in percent, the tolerance in points, and what both rest on.
EXPECTED = CONFIG_DIR / "expected.json"
_CHANCE = "random_seed"


def unexpected_figures(artifacts: Sequence[Artifact]) -> list[str]:
    """A line for each artifact whose mIoU is outside of what its preset is known for.

    Args:
        artifacts: just published or found up to date. Those with settings of their own, or made from inputs
            that have some or that do not lie beside them, are passed over; so are those nobody measured.
    """
    known, lines = json.loads(EXPECTED.read_text(encoding="utf-8")), []
    for one in artifacts:
        wanted = known.get(one.manifest.get("dataset"), {}).get(one.dir.name)
        score = one.manifest.get("figures", {}).get("mIoU")
        if wanted is None or score is None or abs(100 * score - wanted["mIoU"]) <= wanted["tolerance"]:
            continue
        if _is_as_preset(one):
            lines.append(
                f"{one.dir.name}: expected an mIoU of {wanted['mIoU']} ± {wanted['tolerance']} from this "
                f"preset ({wanted['measured']}), got {100 * score:.1f}: see wsss report and docs/results.md"
            )
    return lines


def differing_settings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an artifact was made with and its preset does not have.

    Args:
        manifest: of an artifact that a stage published.

    Returns:
        Dotted name -> the value; empty where there is no preset of that name.
    """
    stages = [MAKERS[manifest["kind"]]]
    known = settings_by_folder(str(manifest.get("dataset")), stages=stages)
    found = known.get(str(manifest.get("name"))) or known.get(manifest["kind"])
    return {} if found is None else _differing(manifest.get("settings") or {}, *found)


def _differing(recorded: Mapping[str, Any], stage: Stage, settings: Settings) -> dict[str, Any]:
    try:
        today = settings_that_matter(settings.config, [*stage.neutral, *stage.owned])
    except ConfigError:
        # The preset's weights are not on this machine, so those of the artifact say nothing.
        today = json.loads(json.dumps(dict(flatten(settings.config)), default=str))
        recorded = {name: one for name, one in recorded.items() if not is_weights(name)}
    return {name: value for name, value in recorded.items() if today.get(name) != value}


def _is_as_preset(artifact: Artifact) -> bool:
    """Whether an artifact, and all it was made from, differ from their presets in the random seed at most."""
    manifest = artifact.manifest
    if manifest.get("imported") is not None or set(differing_settings(manifest)) - {_CHANCE}:
        return False
    keys = [key for name, key in manifest.get("inputs", {}).items() if name.startswith("input ")]
    beside = _keys_beside(artifact.dir)
    return all(key in beside and _is_as_preset(beside[key]) for key in keys)


def _keys_beside(folder: Path) -> dict[str, Artifact]:
    found = {}
    for file in sorted(folder.parent.glob(f"*/{MANIFEST}")):
        try:
            one = open_artifact(file.parent)
        except ArtifactError:
            continue
        found[one.key] = one
    return found
