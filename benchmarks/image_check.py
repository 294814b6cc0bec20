"""Checking images by header and end mark against decoding them all: files per second of CPU time.

python benchmarks/image_check.py ../shared/data/voc_mini/JPEGImages
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from wsss.errors import DataError
from wsss.images import check_images, read_image


def main() -> None:
    """Measure both ways in turns of 50 files, and how many truncated files each of them finds."""
    files = sorted(Path(sys.argv[1]).glob("*.jpg"))[:500]
    seconds = {"check": 0.0, "decode": 0.0}
    for file in files:
        file.read_bytes()  # neither way waits for the disk
    for start in range(0, len(files), 50):
        some = files[start : start + 50]
        begin = time.process_time()
        check_images({file.stem: file for file in some})
        middle = time.process_time()
        for file in some:
            read_image(file)
        seconds["check"] += middle - begin
        seconds["decode"] += time.process_time() - middle
    found = dict.fromkeys(seconds, 0)
    for file in files[::10]:
        found["check"] += finds_truncation(file, lambda one: check_images({"a": one}))
        found["decode"] += finds_truncation(file, read_image)
    for way, spent in seconds.items():
        shown = f"finds {found[way]} of {len(files[::10])} truncated files"
        print(f"{way}: {len(files) / spent:.0f} images/s, {shown}")
    print(f"ratio: {seconds['decode'] / seconds['check']:.1f}")


def finds_truncation(file: Path, look: Callable[[Path], object]) -> bool:
    """Whether a copy cut to nine tenths is refused."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        content = file.read_bytes()
        copy.write_bytes(content[: len(content) * 9 // 10])
        try:
            look(copy)
        except DataError:
            return True
    return False


if __name__ == "__main__":
    main()
