"""Mutants of the method code: each line turned wrong in a way that still runs; some test must fail.

    python tests/trust/mutants.py [NAME ...]     (make mutants)

A mutant is made in a copy of the packages, so the checkout stays as it is. Exit status 1: one survived
that is not in `EXCUSED`, fewer than 95 % were caught, a mutant's old text is no longer in its file, or its
tests do not run.
"""

import concurrent.futures
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("wsss", "seeds", "refine", "segment", "configs", "tests", "pyproject.toml", "docs", "README.md")
LEAST = 0.95
SECONDS = 400


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One wrong line.

    Attributes:
        name: what is wrong.
        file: path from the checkout.
        old: text that stands in the file.
        new: what takes its place, at every occurrence.
        tests: arguments of pytest; at least one of these tests must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


CONVENTIONS = "tests/trust/test_conventions.py"


def _inference(name: str, old: str, new: str) -> Mutant:
    return Mutant(name, "seeds/infer.py", old, new, (CONVENTIONS, "tests/seeds/test_infer.py"))


_SCALED = 'F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=bool(resize))'
_GRID = 'F.interpolate(some.float(), size, mode="bilinear", align_corners=False)'

MUTANTS = (
    _inference("seeds: images resized with align_corners", _SCALED, _SCALED.replace("False", "True")),
    _inference(
        "seeds: images resized by the nearest pixel",
        _SCALED,
        'F.interpolate(image, size, mode="nearest")',
    ),
    _inference("seeds: maps resized with align_corners", _GRID, _GRID.replace("False", "True")),
    _inference("seeds: maps resized by the nearest pixel", _GRID, "F.interpolate(some.float(), size)"),
    _inference("seeds: the flip is not turned back", "some[1].flip(2)", "some[1]"),
    _inference("seeds: only the first scale counts", "totals[index] + (some", "0 * totals[index] + (some"),
    Mutant(
        "training of seeds: no mean subtraction",
        "seeds/dataset.py",
        "v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)",
        "v2.Normalize((0.0, 0.0, 0.0), IMAGENET_STD)",
        (CONVENTIONS,),
    ),
    Mutant(
        "training of seeds: no deviation",
        "seeds/dataset.py",
        "v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)",
        "v2.Normalize(IMAGENET_MEAN, (1.0, 1.0, 1.0))",
        (CONVENTIONS,),
    ),
    Mutant(
        "training of seeds: no flip",
        "seeds/dataset.py",
        "v2.RandomHorizontalFlip()",
        "v2.RandomHorizontalFlip(0.0)",
        (CONVENTIONS,),
    ),
    Mutant(
        "normalize_image: no mean",
        "wsss/images.py",
        ".div(255).sub(mean)",
        ".div(255)",
        ("tests/wsss/test_images.py",),
    ),
    Mutant(
        "CAM: batch norm not fixed",
        "seeds/cam.py",
        'if self.batch_norm != "train":',
        "if False:",
        (CONVENTIONS,),
    ),
    Mutant(
        "CAM: weights of batch norm fixed too",
        "seeds/cam.py",
        'affine=self.batch_norm == "fixed"',
        "affine=True",
        (CONVENTIONS,),
    ),
    Mutant(
        "CAM: factor of the classifier ignored",
        "seeds/methods/cam.py",
        'settings["classifier_factor"])]',
        "1.0)]",
        (CONVENTIONS,),
    ),
    Mutant(
        "CAM: factor of the classifier is 1",
        "seeds/methods/cam.py",
        '"classifier_factor": 10.0',
        '"classifier_factor": 1.0',
        (CONVENTIONS,),
    ),
    Mutant(
        "new layers: factor of the rate ignored",
        "seeds/contract.py",
        "learning_rate * factor",
        "learning_rate",
        (CONVENTIONS,),
    ),
    Mutant(
        "poly: power .5",
        "wsss/training.py",
        '"power": schedule.poly_power',
        '"power": 0.5',
        (CONVENTIONS,),
    ),
    Mutant(
        "poly: power .5 by default",
        "wsss/training.py",
        "poly_power: float = 0.9",
        "poly_power: float = 0.5",
        (CONVENTIONS,),
    ),
    Mutant(
        "poly: length ignored",
        "wsss/training.py",
        "round(steps * schedule.poly_length)",
        "steps",
        (CONVENTIONS,),
    ),
    Mutant(
        "IRN: labels resized linearly",
        "refine/dataset.py",
        "interpolation=cv2.INTER_NEAREST_EXACT",
        "interpolation=cv2.INTER_LINEAR",
        (CONVENTIONS, "tests/refine/test_dataset.py"),
    ),
    Mutant(
        "IRN: image turned without its label",
        "refine/dataset.py",
        "image, label = image[:, ::-1], label[:, ::-1]",
        "image = image[:, ::-1]",
        (CONVENTIONS,),
    ),
    Mutant("IRN: no flip", "refine/dataset.py", "if turn < 0.5:", "if turn < 0:", (CONVENTIONS,)),
    Mutant(
        "IRN: branches enlarged with align_corners",
        "refine/model.py",
        'mode="bilinear", align_corners=False)]',
        'mode="bilinear", align_corners=True)]',
        (CONVENTIONS,),
    ),
    Mutant(
        "IRN: mirrored edges not turned back",
        "refine/model.py",
        "logits[1].flip(2)",
        "logits[1]",
        ("tests/refine/test_model.py", "tests/refine/test_infer.py"),
    ),
    Mutant(
        "CRF of predictions: another colour kernel",
        "wsss/crf.py",
        "bilateral_sxy=67, bilateral_srgb=3, bilateral_compat=4",
        "bilateral_sxy=50, bilateral_srgb=5, bilateral_compat=10",
        (CONVENTIONS,),
    ),
    Mutant(
        "CRF of predictions: another smoothness kernel",
        "wsss/crf.py",
        "gaussian_sxy=1, gaussian_compat=3",
        "gaussian_sxy=3, gaussian_compat=3",
        (CONVENTIONS,),
    ),
    Mutant(
        "CRF: kernels swapped",
        "wsss/crf.py",
        "kernels: CrfKernels = PREDICTION_KERNELS",
        "kernels: CrfKernels = LABEL_KERNELS",
        (CONVENTIONS,),
    ),
    Mutant(
        "BAS: suppression not clipped at 1",
        "seeds/losses.py",
        "torch.where(rest > whole, torch.ones_like(rest), rest / (whole + eps))",
        "rest / (whole + eps)",
        ("tests/seeds/test_losses.py",),
    ),
    Mutant(
        "BAS: gradient into the whole image's logit",
        "seeds/losses.py",
        "full_precision(whole_logit).detach().relu()",
        "full_precision(whole_logit).relu()",
        ("tests/seeds/test_losses.py",),
    ),
    Mutant(
        "evaluation: ignored pixels counted",
        "wsss/metrics.py",
        "!= IGNORE",
        "!= 256",
        ("tests/wsss/test_metrics.py",),
    ),
    Mutant(
        "seeds on the disk: grid rounded down",
        "wsss/artifacts/seeds.py",
        "((size[0] - 1) // STRIDE + 1, (size[1] - 1) // STRIDE + 1)",
        "(max(size[0] // STRIDE, 1), max(size[1] // STRIDE, 1))",
        ("tests/wsss/test_artifacts.py",),
    ),
)

# Mutants that no test can tell from the original, by name, with the reason.
EXCUSED: dict[str, str] = {}


def main() -> int:
    """Make each mutant and run its tests; print who was caught."""
    wanted = [one for one in MUTANTS if not sys.argv[1:] or any(text in one.name for text in sys.argv[1:])]
    workers = int(os.environ.get("MUTANT_WORKERS") or max(len(os.sched_getaffinity(0)) // 2, 1))
    begin = time.monotonic()
    survived, lost = [], []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for mutant, verdict in zip(wanted, pool.map(_try, wanted), strict=True):
            print(f"{verdict:9} {mutant.name} ({mutant.file})", flush=True)  # noqa: T201
            survived += [mutant.name] * (verdict == "survived")
            lost += [mutant.name] * (verdict in ("no text", "broken"))
    counted = [one for one in wanted if one.name not in EXCUSED]
    caught = len([one for one in counted if one.name not in {*survived, *lost}])
    share = caught / max(len(counted), 1)
    seconds = time.monotonic() - begin
    print(f"{caught} of {len(counted)} mutants were caught ({100 * share:.0f} %) in {seconds:.0f} s")  # noqa: T201
    for name, reason in EXCUSED.items():
        print(f"excused   {name}: {reason}")  # noqa: T201
    surprising = [name for name in survived if name not in EXCUSED]
    return int(share < LEAST or bool(lost) or bool(surprising))


def _try(mutant: Mutant) -> str:
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        file = copy / mutant.file
        text = file.read_text(encoding="utf-8")
        if mutant.old not in text:
            return "no text"
        file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        try:
            done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return "caught"
        # 1: tests failed. Anything else but 0 is a broken run, which catches nothing.
        if done.returncode not in (0, 1):
            sys.stderr.write(done.stdout.decode()[-2000:])
            return "broken"
        return "caught" if done.returncode else "survived"


if __name__ == "__main__":
    sys.exit(main())
