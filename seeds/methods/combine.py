"""Several published seeds put together; nothing is trained."""

from collections.abc import Mapping
from typing import Any, ClassVar, get_args

from seeds.contract import MapKind, Seeds
from seeds.fuse import How, write_combined, write_fused
from wsss.errors import ConfigError
from wsss.ranges import OneOf, Range
from wsss.stage import Job


class CombineMethod:
    """The sum of the maps that the config's ``reads`` names (Zhai et al., IJCV 2023, Table 9), or a fusion.

    With ``infer.fuse`` the class maps of the first seeds are lowered by the class-agnostic maps of the second
    ones, as BAS does within one network (section 5.5). Fusing another method's maps so is ours.
    """

    name = "combine"
    defaults: ClassVar[Mapping[str, Any]] = {
        "reads": (),  # published seeds to combine, by folder name: ("seeds", "seeds-cam")
        "infer": {
            "fuse": None,  # "average" or "replace": of class maps and of class-agnostic maps, in this order
        },
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {"infer.fuse": OneOf((None, *get_args(How)))}

    def check(self, config: Mapping[str, Any]) -> None:
        """One seed alone is not combined, and two are fused."""
        reads, fuse = tuple(config["reads"]), config["infer"]["fuse"]
        if len(reads) < 2:
            raise ConfigError(
                f"expected two or more seeds to combine, got {reads}: name them in 'reads', such as "
                "('seeds', 'seeds-cam')"
            )
        if fuse is not None and len(reads) != 2:
            raise ConfigError(
                f"expected two seeds with infer.fuse={fuse!r}, got {reads}: name those with class maps, then "
                "those with class-agnostic maps, in 'reads'"
            )

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """One map per class, as the seeds that are read have."""
        return "class"

    def make(self, job: Job) -> Seeds:
        """Write the combination for each image of the seeds that are read."""
        artifacts, fuse = list(job.inputs.values()), job.config.infer.fuse
        if fuse is None:
            write_combined(artifacts, out_dir=job.out_dir)
        else:
            first, second = (job.inputs[name] for name in job.config.reads)
            write_fused(first, second, how=fuse, out_dir=job.out_dir)
        return Seeds(artifacts[0].split, artifacts[0].ids)


COMBINE = CombineMethod()
