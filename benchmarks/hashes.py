"""Time to vouch for a folder of many files, and to check it by content and by sizes and times.

python benchmarks/hashes.py            # 10,582 files of 12 kB, as the seeds of VOC's train_aug
python benchmarks/hashes.py --files 82081
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ratios import print_ratio
from wsss.artifacts import find_damage, open_artifact, publish, read_artifact
from wsss.contents import CACHE, Contents
from wsss.status import describe_work

BYTES = 12_000


def seconds_of(name: str, work: Callable[[], object]) -> float:
    """Run something once; print its seconds, by clock and of CPU, and the rise of the peak of memory."""
    begin, cpu, before = time.perf_counter(), time.process_time(), peak_memory()
    work()
    spent = time.process_time() - cpu
    print(
        f"  {name}: {time.perf_counter() - begin:.2f} s, {spent:.2f} s of CPU, "
        f"{peak_memory() - before:.0f} MB more than before",
        flush=True,
    )
    return spent


def peak_memory() -> float:
    """Most megabytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Measure one folder of made-up files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", type=int, default=10_582)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "seeds"
        folder.mkdir()
        content = np.random.default_rng(0).bytes(BYTES + count)
        names = [f"{number:012d}" for number in range(count)]
        for start, name in enumerate(names):
            (folder / f"{name}.npz").write_bytes(content[start : start + BYTES])
        known = Contents(Path(scratch) / CACHE)
        manifest = {"schema": 1, "kind": "seeds", "split": "train", "image_ids": names, "key": "made up"}
        print(f"{count} files of {BYTES} bytes")
        # Only files that have been at rest for two seconds are known by their times.
        last = (folder / f"{names[-1]}.npz").stat().st_ctime
        time.sleep(max(0.0, last + 2.1 - time.time()))
        seconds_of("publish", lambda: publish(folder, manifest, known))
        artifact = read_artifact(folder)
        by_content = seconds_of("check all content", lambda: find_damage(artifact, Contents()))
        by_times = seconds_of("check sizes and times", lambda: find_damage(artifact, known))
        seconds_of("open, as the next stage and a plan do", lambda: open_artifact(folder, known))
        seconds_of("status", lambda: describe_work(folder.parent, {}))
        size = (folder / "manifest.json").stat().st_size
        inodes = sum(1 for _ in Path(scratch).rglob("*"))
        print(f"  manifest: {size / 1e6:.1f} MB; {inodes:,} files and folders, each an inode")
        print(f"  peak memory of all of it: {peak_memory():.0f} MB")
        print_ratio("check of published files, content / sizes and times", by_content / by_times)


if __name__ == "__main__":
    main()
