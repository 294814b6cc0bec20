"""The maps of several published seeds put together; nothing is trained."""

from collections.abc import Mapping
from typing import Any, ClassVar

from seeds.contract import MapKind, Seeds
from seeds.fuse import write_combined
from wsss.errors import ConfigError
from wsss.ranges import OneOf, Range
from wsss.stage import Job


class CombineMethod:
    """The sum of the maps that the config's ``reads`` names (Zhai et al., IJCV 2023, Table 9)."""

    name = "combine"
    defaults: ClassVar[Mapping[str, Any]] = {
        "reads": (),  # published seeds to combine, by folder name: ("seeds", "seeds-cam")
    }
    ranges: ClassVar[Mapping[str, Range | OneOf]] = {}

    def check(self, config: Mapping[str, Any]) -> None:
        """One seed alone is not combined."""
        if len(config["reads"]) < 2:
            raise ConfigError(
                f"expected two or more seeds to combine, got {tuple(config['reads'])}: name them in 'reads', "
                "such as ('seeds', 'seeds-cam')"
            )

    def map_kind(self, config: Mapping[str, Any]) -> MapKind:
        """One map per class, as the seeds that are read have."""
        return "class"

    def make(self, job: Job) -> Seeds:
        """Write the combination for each image of the seeds that are read."""
        artifacts = list(job.inputs.values())
        write_combined(artifacts, out_dir=job.out_dir)
        return Seeds(artifacts[0].split, artifacts[0].ids)


COMBINE = CombineMethod()
