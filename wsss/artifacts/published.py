"""Published folders: payload files and the manifest that vouches for them (docs/artifacts.md)."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.errors import ArtifactError
from wsss.manifests import check_manifest

SCHEMA = 1
MANIFEST = "manifest.json"
# Weights of the backbone that a seed method trained: later stages may start from them.
BACKBONE = "train/backbone.pth"
SUFFIXES = {"seeds": ".npz", "masks": ".png", "segment": ".png"}


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A published folder: payload files and the manifest that vouches for them.

    Attributes:
        dir: the folder.
        manifest: what stands in its manifest.
        part: name and image ids of the part that is looked at; None: all of it.
    """

    dir: Path
    manifest: Mapping[str, Any]
    part: tuple[str, tuple[str, ...]] | None = None

    @property
    def kind(self) -> str:
        """``seeds``, ``masks`` or ``segment``."""
        return str(self.manifest["kind"])

    @property
    def key(self) -> str:
        """Hash of all that the content depends on."""
        return str(self.manifest["key"])

    @property
    def split(self) -> str:
        """Split of the data set that the payload covers, or the part of it that is looked at."""
        return str(self.manifest["split"]) if self.part is None else self.part[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """Image ids of the payload, or of the part of it that is looked at."""
        return tuple(self.manifest["image_ids"]) if self.part is None else self.part[1]

    def part_in(self, split: str, image_ids: Sequence[str]) -> "Artifact":
        """The part of it that lies in another split.

        Args:
            split: name of that split.
            image_ids: its images.

        Raises:
            ArtifactError: none of them is in this artifact.
        """
        wanted = set(image_ids)
        inside = tuple(one for one in self.ids if one in wanted)
        if not inside:
            raise ArtifactError(
                f"expected images of {split} in {self.dir}, found none among its {len(self.ids)} of "
                f"{self.split}: choose another split"
            )
        return dataclasses.replace(self, part=(split, inside))

    def file(self, image_id: str) -> Path:
        """Payload file of one image."""
        folder = (
            self.dir / "predictions" / str(self.manifest["split"]) if self.kind == "segment" else self.dir
        )
        return folder / f"{image_id}{SUFFIXES[self.kind]}"

    def backbone(self) -> Path:
        """Weights of the backbone that these seeds trained.

        Raises:
            ArtifactError: they hold none: imported seeds, or a method that trains nothing.
        """
        file = self.dir / BACKBONE
        if not file.is_file():
            raise ArtifactError(
                f"expected the backbone that the stage seeds trained at {file}, found no file: run the stage "
                "seeds, or start from other weights (--weights)"
            )
        return file


def open_artifact(path: str | Path) -> Artifact:
    """Open a published folder.

    Raises:
        ArtifactError: no manifest (never published, or interrupted), a broken one, one of another
            schema or with ids that lead out of it, or a payload file that the manifest lists is gone.
    """
    path = Path(path)
    manifest_file = path / MANIFEST
    try:
        manifest = json.loads(manifest_file.read_text())
    except FileNotFoundError as error:
        raise ArtifactError(
            f"expected {MANIFEST} in {path}, found none: run the stage that publishes it"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"expected JSON in {manifest_file}, got: {error}: run the stage again") from error
    required = {"schema", "kind", "split", "image_ids", "key"}
    if not isinstance(manifest, dict) or not required <= manifest.keys():
        raise ArtifactError(
            f"expected the entries {', '.join(sorted(required))} in {manifest_file}, got "
            f"{sorted(manifest) if isinstance(manifest, dict) else type(manifest).__name__}: "
            "run the stage again"
        )
    if manifest["schema"] != SCHEMA or manifest["kind"] not in tuple(SUFFIXES):
        raise ArtifactError(
            f"expected schema {SCHEMA} and a kind out of {', '.join(SUFFIXES)} in {manifest_file}, got "
            f"schema {manifest['schema']} and kind {manifest['kind']!r}: publish it again with this version"
        )
    check_manifest(manifest, manifest_file)
    artifact = Artifact(path, manifest)
    absent = [image_id for image_id in artifact.ids if not artifact.file(image_id).is_file()]
    if absent:
        raise ArtifactError(
            f"expected {len(artifact.ids)} files in {path}, {len(absent)} are gone (first: {absent[0]}): "
            f"run the stage again with --no-resume"
        )
    return artifact
