"""Digests of files, read again only where a file changed."""

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wsss.errors import DataError
from wsss.progress import track
from wsss.writing import atomic_write

CACHE = ".contents.json"
# Fewer files than this are read without a progress line.
_MANY = 2000
_CHUNK = 1 << 20
# File systems keep times in steps of up to two seconds: a file that changed within the step in which it was
# read may change once more and look the same.
_STEP_OF_TIMES = 2.0


class Contents:
    """Digests of files, read again only where size or times changed; kept in one file between runs.

    The first run reads every file once; later ones ask for sizes and times alone. The time at which a file's
    entry changed (ctime) counts too: it shows two files that were swapped, and contents that changed under a
    time of change (mtime) that was set back.
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
        found = []
        for file in self.track(list(files), description):
            try:
                found.append(self.digest(file))
            except OSError as error:
                raise DataError(
                    f"expected to read {file}, got: {error}: put the file back or take it out of the list"
                ) from error
        return found

    def track(self, files: list[Path], description: str) -> Iterable[Path]:
        """The files, with progress where many of them have to be read."""
        many = len(files) > _MANY and sum(str(file) not in self._known for file in files) > _MANY
        return track(files, description, unit="file") if many else files

    def digest(self, file: Path) -> str:
        """SHA-256 of a file, in hexadecimal digits.

        Raises:
            OSError: it is gone or cannot be read.
        """
        stat = file.stat()
        seen = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self._known.get(str(file))
        if known is not None and known[:3] == seen:
            return str(known[3])
        found = hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                found.update(chunk)
        if time.time() - stat.st_ctime > _STEP_OF_TIMES:
            self._known[str(file)] = [*seen, found.hexdigest()]
            self._changed = True
        return found.hexdigest()

    def save(self) -> None:
        """Write the cache where something is new; a folder that cannot be written keeps none."""
        if self._cache is None or not self._changed:
            return
        with atomic_write(self._cache) as temporary:
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
        self._changed = False


def _read_cache(cache: Path | None) -> dict[str, list[Any]]:
    """What was kept; nothing where there is no file or not one of ours."""
    try:
        content = json.loads(cache.read_text(encoding="utf-8")) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    rows = content.items() if isinstance(content, dict) else ()
    return {file: row for file, row in rows if isinstance(row, list) and len(row) == 4}
