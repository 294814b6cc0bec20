"""Checking images by header and end mark against decoding them all: files per second of CPU time.

    python benchmarks/image_check.py [FOLDER]

FOLDER holds JPEG files; without one, those of voc_mini in ../shared/data are taken.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ratios import print_ratio, skip
from wsss.errors import DataError
from wsss.images import check_images, read_image
from wsss.paths import resolve_path

VOC_MINI = "../shared/data/voc_mini/VOC2012/JPEGImages"


def main() -> None:
    """Measure both ways in turns of 50 files, and how many truncated files each of them finds."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else resolve_path(VOC_MINI)
    files = sorted(folder.glob("*.jpg"))[:500]
    if not files:
        skip(f"no JPEG files in {folder}: name a folder with some")
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
    print_ratio("CPU time, decoding all / checking all", seconds["decode"] / seconds["check"])


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
