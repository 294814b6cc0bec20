"""``wsss repair``: the damaged files of published artifacts, made again."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsss.artifacts import find_damage, read_artifact, restore_manifest
from wsss.cli.options import print_json
from wsss.cli.plan import make_plan
from wsss.cli.run import command_like, request_of, run
from wsss.contents import Contents
from wsss.engine import run_step
from wsss.errors import ArtifactError
from wsss.folder import only_run
from wsss.log import logger
from wsss.stage import Step

# Written anew with every run, with times in them.
_WITH_TIMES = (".json", ".md")


def repair(*, as_json: bool, **options: Any) -> None:
    """Remake the damaged files of what is published, and only those.

    The words are those of the run that published it, with repair in place of run. All files are read. Damaged
    manifests are restored from their copies. What was never published, or is stale, is left to wsss run.
    """
    request = request_of(**options, repair=True)
    done: dict[str, list[str]] = {}
    for folder in sorted(one for one in request.work_dir.glob("*") if one.is_dir()):
        with only_run(folder.parent, folder.name):
            if (name := restore_manifest(folder)) is not None:
                logger.info("%s: %s restored", folder.name, name)
                done[folder.name] = [name]
    for step in make_plan(request):
        if step.damage:
            done.setdefault(step.name, []).extend(_remake(step))
        else:
            _refuse_other_settings(step)
    if as_json:
        print_json(done)
    elif not done:
        logger.info("nothing is damaged in %s", request.work_dir)


command_like(repair, run, without=("dry_run", "resume"))


def _remake(step: Step) -> Sequence[str]:
    """Run a stage on its folder without the damaged files, and compare what it made with what was there."""
    before = read_artifact(step.out_dir).manifest["files"]
    names = sorted((*step.damage.changed, *step.damage.absent))
    after: Mapping[str, str] = run_step(step).manifest["files"]
    others = [one for one in names if before[one] != after.get(one) and not one.endswith(_WITH_TIMES)]
    if others:
        logger.warning(
            "%s: %d of %d files are not what they were (first: %s): the machine, the number of threads or "
            "the code is another one; wsss run --no-resume makes all files alike",
            step.name,
            len(others),
            len(names),
            others[0],
        )
    return names


def _refuse_other_settings(step: Step) -> None:
    """Say how an artifact was made that is damaged, but not by what these words would make."""
    if not step.reasons:
        return
    try:
        artifact = read_artifact(step.out_dir)
    except ArtifactError:
        return
    if find_damage(artifact, Contents()):
        raise ArtifactError(
            f"expected the words of the run that made {step.out_dir}, got others "
            f"({'; '.join(step.reasons)}): it was made by: "
            f"{artifact.manifest.get('command') or 'nobody knows'}"
        )
