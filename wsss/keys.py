"""The key of an artifact: a hash of all that its content depends on, and what changed between two of them."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from mmengine.config import Config

from wsss.artifacts import SCHEMA
from wsss.config import flatten

# Settings that change where things lie, never what is made; what the files hold is in the inputs.
_PLACES = frozenset({"dataset.root", "dataset.labels", "dataset.ground_truth", "baselines", "tuned"})

# Settings that came later, at the value at which all is made as before: they do not make it stale.
_AS_BEFORE = {
    "model.weights": None,
    "model.two_levels": False,
    "infer.split": None,
    "infer.ten_crops": False,
    "infer.geometry": "stretch",
    "infer.pad_to": None,
}


def settings_that_matter(config: Config, neutral: Collection[str] = ()) -> dict[str, Any]:
    """Settings that the artifact's content depends on, flat; files of weights stand by their hash.

    Args:
        config: the resolved config.
        neutral: further settings, or tables of them, that cannot move a result, by their full names.

    Raises:
        ConfigError: weights that the config names are not there.
    """
    # Here, because the backbones take seconds to import.
    from wsss.backbones import weights_sha256

    settings = {}
    for name, value in flatten(config):
        if any(is_part_of(name, other) for other in (*_PLACES, *neutral)):
            continue
        if name in _AS_BEFORE and value == _AS_BEFORE[name]:
            continue
        # "seeds": what the stage seeds trained, which stands among the inputs.
        settings[name] = weights_sha256(value) if is_weights(name) and value != "seeds" else value
    content: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return content


def is_weights(name: str) -> bool:
    """Whether a setting names a file of weights, which manifests hold by its hash."""
    return name == "model.weights" or name.rsplit(".", 1)[-1] == "pretrained"


def key_of(kind: str, stage_schema: int, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Hash of kind, versions, settings and inputs."""
    content = [kind, SCHEMA, stage_schema, settings, inputs]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """What differs between two states: name of the setting or input -> the change in words.

    Args:
        before: state of a folder, or a manifest: ``settings``, ``inputs``, ``stage_schema``.
        after: state of a job. Inputs that it does not name are not compared.
    """
    old, new = before.get("settings", {}), after["settings"]
    found = {
        name: f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    }
    inputs = before.get("inputs", {})
    found |= {
        name: f"{name} changed" for name, key in sorted(after["inputs"].items()) if inputs.get(name) != key
    }
    if before.get("stage_schema", after["stage_schema"]) != after["stage_schema"]:
        found["stage_schema"] = "made by another version of the stage"
    return found


def is_part_of(name: str, other: str) -> bool:
    """Whether a setting or input is another one or lies below it.

    >>> is_part_of("infer.scales", "infer"), is_part_of("inference", "infer")
    (True, False)
    >>> is_part_of("ground truth val", "ground truth")
    True
    """
    return name == other or name.startswith((f"{other}.", f"{other} "))
