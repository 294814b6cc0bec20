"""Archives from elsewhere, unpacked so that nothing leaves their folder."""

import tarfile
from pathlib import Path


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack a tar archive, compressed or not.

    Args:
        archive: the file.
        folder: where its content goes.

    Raises:
        ValueError: an entry lies outside the folder, is a device, or a link that leads out; what came before
            it is unpacked.
        OSError: as tarfile raises it on damaged files and full disks.
    """
    if not hasattr(tarfile, "data_filter"):
        raise ValueError("a Python without tarfile's filters: update it (3.10.12, 3.11.4 or later)")
    with tarfile.open(archive) as packed:
        try:
            packed.extractall(folder, filter="data")
        except (tarfile.FilterError, tarfile.TarError) as error:
            raise ValueError(str(error)) from error
