"""Time and storage of a finished work folder, projected to another number of images and processes.

    python benchmarks/projection.py work/voc_mini --images 82081 --pixels 1.6
    python benchmarks/projection.py work/demo --check work/demo_large

Time grows with images and pixels and is shared by the processes, each on hardware like that of the
folder. The training of the stage segment has as many iterations as its settings say, however many images
there are: its time stays. What the main process does alone (scores, manifest) is a small part and counts as
shared. --check takes a folder of the same settings with more images: how far off are time and bytes
projected to it?
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
    """What one published folder took.

    Attributes:
        images: that it holds.
        training: seconds of processes that do not grow with the images.
        inference: all other seconds of processes.
        bytes: of the payload.
        files: of the payload.
    """

    images: int
    training: float
    inference: float
    bytes: int
    files: int

    def seconds_for(self, factor: float) -> float:
        """Seconds of one process for so many times the images."""
        return self.training + self.inference * factor


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
        seconds = cost.seconds_for(factor)
        hours = ", ".join(f"{count}: {seconds / count / 3600:.2f} h" for count in PROCESSES)
        files = cost.files / cost.images
        print(f"{name}, an image of {cost.images}: {cost.inference / cost.images:.2f} s, ", end="")
        print(f"{cost.bytes / cost.images / 1e3:.1f} kB; once {cost.training:.0f} s")
        print(f"  {options.images:,} images: {cost.bytes * factor / 1e9:.1f} GB, ", end="")
        print(f"{round(files * options.images):,} files; processes {hours}")
        print_ratio(f"files of {name} / images", files)
    for name, other in (measured(options.check) if options.check else {}).items():
        if name not in costs:
            sys.exit(f"expected {name} in {options.folder} as in {options.check}, found none")
        cost = costs[name]
        factor = other.images / cost.images
        print_ratio(
            f"time of {name}, projected from {cost.images} to {other.images} images / measured",
            cost.seconds_for(factor) / other.seconds_for(1),
        )
        print_ratio(f"bytes of {name}, projected / measured", cost.bytes * factor / other.bytes)


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
    manifest = artifact.manifest
    processes, training = int(manifest.get("processes") or 1), float(manifest.get("seconds_of_training") or 0)
    return Cost(
        len(artifact.ids),
        training * processes,
        (float(manifest["seconds"]) - training) * processes,
        sum(one.stat().st_size for one in files),
        len(files),
    )


if __name__ == "__main__":
    main()
