"""What a stage sees of a data set, as digests: any change of a list, tag, image or mask shows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wsss.artifacts import atomic_write
from wsss.datasets import DataSet
from wsss.errors import DataError
from wsss.progress import track

CACHE = ".contents.json"
# Fewer files than this are read without a progress line.
_MANY = 2000


class Contents:
    """Digests of files, read again only where size or time changed; kept in one file between runs.

    The first run reads every file once; later ones ask for sizes and times alone.
    """

    def __init__(self, cache: Path | None = None) -> None:
        """Open the cache.

        Args:
            cache: file to keep the digests in; None: they are kept for this object's life alone.
        """
        self._cache = cache
        self._known: dict[str, list[Any]] = _read_cache(cache)
        self._changed = False

    def digests(self, files: Iterable[Path], description: str = "read contents") -> list[str]:
        """SHA-256 of each file, in the given order.

        Raises:
            DataError: a file is gone or cannot be read.
        """
        files = list(files)
        loop: Iterable[Path] = files
        if sum(str(file) not in self._known for file in files) > _MANY:
            loop = track(files, description, unit="file")
        return [self._digest(file) for file in loop]

    def save(self) -> None:
        """Write the cache where something is new; a folder that cannot be written keeps none."""
        if self._cache is None or not self._changed:
            return
        with atomic_write(self._cache) as temporary:
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
        self._changed = False

    def _digest(self, file: Path) -> str:
        try:
            stat = file.stat()
            known = self._known.get(str(file))
            if known is not None and known[:2] == [stat.st_size, stat.st_mtime_ns]:
                return str(known[2])
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(
                f"expected to read {file}, got: {error}: put the file back or take it out of the list"
            ) from error
        self._known[str(file)] = [stat.st_size, stat.st_mtime_ns, digest]
        self._changed = True
        return digest


def fingerprint(dataset: DataSet, split: str, contents: Contents) -> Mapping[str, str]:
    """Digests of all that can be read of one split.

    Args:
        dataset: the data set.
        split: name of the split.
        contents: reads the files.

    Returns:
        ``data SPLIT``: classes, ids, tags and images; ``ground truth SPLIT``: the masks of its images, "none"
        where there are none. No paths.

    Raises:
        DataError: the list or the tags are faulty, or a file cannot be read.
    """
    ids = dataset.ids(split)
    images = contents.digests((dataset.image_path(one) for one in ids), f"read images of {split}")
    rows = [(one, dataset.tags(one), image) for one, image in zip(ids, images, strict=True)]
    masks = {one: path for one in ids if (path := dataset.mask_path(one)) is not None}
    truths = contents.digests(masks.values(), f"read ground truth of {split}")
    return {
        f"data {split}": _digest([dataset.classes, rows]),
        f"ground truth {split}": _digest([*zip(masks, truths, strict=True)]) if masks else "none",
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _read_cache(cache: Path | None) -> dict[str, list[Any]]:
    """What was kept; nothing where there is no file or not one of ours."""
    try:
        content = json.loads(cache.read_text(encoding="utf-8")) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    rows = content.items() if isinstance(content, dict) else ()
    return {file: row for file, row in rows if isinstance(row, list) and len(row) == 3}
