"""Published folders: payload files and the manifest that vouches for them (docs/artifacts.md)."""

import contextlib
import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsss.contents import CACHE, Contents
from wsss.errors import ArtifactError
from wsss.manifests import DIGEST, check_manifest, check_seal, seal
from wsss.writing import write_json

SCHEMA = 1
MANIFEST = "manifest.json"
# Weights of the backbone that a seed method trained: later stages may start from them.
BACKBONE = "train/backbone.pth"
# A second manifest, to restore a damaged one from.
COPY = ".manifest.json"
# State of a run, half-written files, mmengine's folder and config by the time of their start (phones name
# photos so: 20240101_120000.npz is a seed), and curves to look at.
_NOT_PUBLISHED = re.compile(
    r"\.?manifest\.json$|unfinished\.json$|\.partial-|\.copying-|\d{8}_\d{6}(\.py)?$|tensorboard$"
)
# Of a SHA-256 in hexadecimal: 128 bits are enough where nobody attacks, and manifests stay small.
_DIGITS = 32
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
    def content(self) -> str | None:
        """Hash of the hashes of all files, which other code may have made from the same settings; or None."""
        files = self.manifest.get("files")
        if not files:
            return None
        return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:_DIGITS]

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


def open_artifact(path: str | Path, contents: Contents | None = None) -> Artifact:
    """Open a published folder, if it is as it was published.

    Files are read only where their sizes or times are not those known; where nobody knows them, all are.

    Args:
        path: the folder.
        contents: what is known of its files; None: what lies in the folder above it.

    Raises:
        ArtifactError: no manifest (never published, or interrupted), a broken one, one of another
            schema or with ids that lead out of it; a payload file that the manifest lists is gone, or a file
            has changed since.
    """
    artifact = read_artifact(path)
    absent = [image_id for image_id in artifact.ids if not artifact.file(image_id).is_file()]
    if absent:
        raise ArtifactError(
            f"expected {len(artifact.ids)} files in {artifact.dir}, {len(absent)} are gone (first: "
            f"{absent[0]}): wsss repair remakes them"
        )
    changed = find_damage(artifact, contents or Contents(artifact.dir.parent / CACHE)).changed
    if changed:
        raise changed_since(artifact, changed)
    return artifact


def read_artifact(path: str | Path) -> Artifact:
    """Read the manifest of a published folder, and look at none of its other files.

    Raises:
        ArtifactError: there is none, or a broken one, as in `open_artifact`.
    """
    path = Path(path)
    manifest_file = path / MANIFEST
    manifest = _read_json(manifest_file)
    required = {"schema", "kind", "split", "image_ids", "key"}
    if not isinstance(manifest, dict) or not required <= manifest.keys():
        raise ArtifactError(
            f"expected the entries {', '.join(sorted(required))} in {manifest_file}, got "
            f"{sorted(manifest) if isinstance(manifest, dict) else type(manifest).__name__}: "
            "run the stage again"
        )
    check_seal(manifest, manifest_file)
    if manifest["schema"] != SCHEMA or manifest["kind"] not in tuple(SUFFIXES):
        raise ArtifactError(
            f"expected schema {SCHEMA} and a kind out of {', '.join(SUFFIXES)} in {manifest_file}, got "
            f"schema {manifest['schema']} and kind {manifest['kind']!r}: publish it again with this version"
        )
    check_manifest(manifest, manifest_file)
    return Artifact(path, manifest)


def publish(folder: Path, manifest: Mapping[str, Any], contents: Contents) -> None:
    """Vouch for all files of a folder: write its manifest, with their hashes and its own, and a copy of it.

    Args:
        folder: holds all that is to be published.
        manifest: its entries but ``files`` and ``digest``.
        contents: reads the files; what it learned is kept where it can be.

    Raises:
        ArtifactError: the folder cannot be written.
    """
    sealed = seal({**manifest, "files": _hashes(folder, contents)})
    with contextlib.suppress(ArtifactError):
        contents.save()
    write_json(folder / COPY, sealed)
    write_json(folder / MANIFEST, sealed)


def withdraw(folder: Path) -> None:
    """Vouch for a folder no longer."""
    for name in (MANIFEST, COPY):
        (folder / name).unlink(missing_ok=True)


def has_copy(folder: Path) -> bool:
    """Whether a whole copy of the manifest lies in a folder."""
    return DIGEST in (_whole(folder / COPY) or {})


def restore_manifest(folder: Path) -> str | None:
    """Write a damaged manifest, or its damaged copy, anew from the other one.

    Returns:
        The name of the file that was written; None where both are whole, or neither is.
    """
    manifest, copy = (_whole(folder / name) for name in (MANIFEST, COPY))
    if manifest == copy or (copy is None and DIGEST not in (manifest or {})):
        return None
    name, content = (MANIFEST, copy) if manifest is None else (COPY, manifest)
    if (folder / name).is_dir():
        shutil.rmtree(folder / name)
    write_json(folder / name, content or {})
    return name


@dataclasses.dataclass(frozen=True)
class Damage:
    """What is not as it was published, by names from the folder on, sorted.

    Attributes:
        changed: files with other content.
        absent: files that are gone.
    """

    changed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.absent)


def find_damage(artifact: Artifact, contents: Contents) -> Damage:
    """Compare all files of a published folder with their hashes in its manifest.

    Args:
        artifact: the folder. Nothing is known of one that holds no hashes.
        contents: reads the files; one that knows nothing reads all.
    """
    changed, absent = [], []
    files: Mapping[str, str] = artifact.manifest.get("files") or {}
    paths = {artifact.dir / name: name for name in sorted(files)}
    for path in contents.track(list(paths), f"check {artifact.dir.name}"):
        name = paths[path]
        try:
            if contents.digest(path)[:_DIGITS] != files[name]:
                changed.append(name)
        except (FileNotFoundError, NotADirectoryError):
            absent.append(name)
        except IsADirectoryError:
            changed.append(name)
    return Damage(tuple(changed), tuple(absent))


def changed_since(artifact: Artifact, names: Sequence[str]) -> ArtifactError:
    """The error that says which files changed, and the two ways on."""
    return ArtifactError(
        f"expected the files of {artifact.dir} as they were published, {len(names)} changed (first: "
        f"{names[0]}): wsss status --deep names all, wsss repair remakes them; if you changed them on "
        "purpose, wsss import publishes them"
    )


def _hashes(folder: Path, contents: Contents) -> dict[str, str]:
    """Name -> hash of each file that somebody may read; logs and what carries the state of a run are none."""
    files = sorted(
        one
        for one in folder.rglob("*")
        if one.is_file() and not any(_NOT_PUBLISHED.match(part) for part in one.relative_to(folder).parts)
    )
    digests = contents.digests(files, f"hash {folder.name}")
    return {
        one.relative_to(folder).as_posix(): digest[:_DIGITS]
        for one, digest in zip(files, digests, strict=True)
    }


def _whole(file: Path) -> dict[str, Any] | None:
    """A manifest that is what was published, or tells nothing about it; None: it is gone or damaged."""
    try:
        manifest = _read_json(file)
        if not isinstance(manifest, dict):
            return None
        check_seal(manifest, file)
    except ArtifactError:
        return None
    return manifest


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(
            f"expected {file.name} in {file.parent}, found none: run the stage that publishes it"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"expected JSON in {file}, got: {error}: wsss repair restores it from its copy, or run the stage "
            "again"
        ) from error
