"""Time and storage of a finished work folder, projected to another number of images and processes.

    python benchmarks/projection.py work/voc_mini --images 82081 --pixels 1.6
    python benchmarks/projection.py work/demo --check work/demo_large

Time grows with images and pixels and is shared by the processes, each on hardware like that of the
folder. What the main process does alone (scores, manifest) is a small part and counts as shared. --check
takes a folder of the same settings with more images: how far off are time and bytes projected to it?
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from ratios import print_ratio, skip
from wsss.artifacts import Artifact, read_artifact
from wsss.errors import ArtifactError

PROCESSES = (1, 8, 64)
# Weights and logs: once per run, whatever the number of images.
_ONCE = "train"


class Cost(NamedTuple):
    """What one published folder took: images, seconds, payload bytes and files, and processes."""

    images: int
    seconds: float
    bytes: int
    files: int
    processes: int


def main() -> None:
    """Print a table of hours, and of gigabytes and files, for each artifact of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("work/demo"))
    parser.add_argument("--images", type=int, default=82_081, help="of the projection; default: COCO's train")
    parser.add_argument("--pixels", type=float, default=1.0, help="of an image there, per pixel of one here")
    parser.add_argument("--check", type=Path, help="a folder to compare the projection with")
    options = parser.parse_args()
    costs = measured(options.folder)
    if not costs:
        skip(f"nothing is published in {options.folder}: tools/run_stage.sh all demo")
    for name, cost in costs.items():
        factor = options.images / cost.images * options.pixels
        work = cost.seconds * cost.processes
        hours = ", ".join(f"{count}: {work * factor / count / 3600:.2f} h" for count in PROCESSES)
        files = cost.files / cost.images
        print(f"{name}, an image of {cost.images}: {work / cost.images:.2f} s, ", end="")
        print(f"{cost.bytes / cost.images / 1e3:.1f} kB")
        print(f"  {options.images:,} images: {cost.bytes * factor / 1e9:.1f} GB, ", end="")
        print(f"{round(files * options.images):,} files; processes {hours}")
        print_ratio(f"files of {name} / images", files)
    for name, other in (measured(options.check) if options.check else {}).items():
        if name not in costs:
            sys.exit(f"expected {name} in {options.folder} as in {options.check}, found none")
        cost = costs[name]
        seconds = cost.seconds * cost.processes * other.images / cost.images
        print_ratio(f"time of {name}, projected / measured", seconds / (other.seconds * other.processes))
        size = cost.bytes * other.images / cost.images
        print_ratio(f"bytes of {name}, projected / measured", size / other.bytes)


def measured(folder: Path) -> dict[str, Cost]:
    """Name of each published folder in a work folder -> what it took."""
    found = {}
    for path in sorted(one for one in folder.glob("*") if one.is_dir()):
        try:
            artifact = read_artifact(path)
        except ArtifactError:
            continue
        if artifact.manifest.get("seconds") and artifact.ids:
            found[path.name] = _cost(artifact)
    return found


def _cost(artifact: Artifact) -> Cost:
    files = [
        one
        for one in artifact.dir.rglob("*")
        if one.is_file()
        and one.relative_to(artifact.dir).parts[0] != _ONCE
        and one.suffix in (".npz", ".png")
    ]
    return Cost(
        len(artifact.ids),
        float(artifact.manifest["seconds"]),
        sum(one.stat().st_size for one in files),
        len(files),
        int(artifact.manifest.get("processes") or 1),
    )


if __name__ == "__main__":
    main()
