"""Archives from elsewhere, unpacked so that nothing leaves their folder."""

import shutil
import tarfile
from pathlib import Path

from wsss.manifests import is_inside


def unpack_tar(archive: Path, folder: Path) -> None:
    """Unpack the files and folders of a tar archive, compressed or not; names lose a leading ``/``.

    Owners, times and permissions are not kept. (tarfile's own filters came with 3.10.12 and 3.11.4, and
    Debian 12 has 3.11.2.)

    Args:
        archive: the file.
        folder: where its content goes.

    Raises:
        ValueError: an entry lies outside the folder, is a link or a device, or the archive is damaged; what
            came before it is unpacked.
        OSError: the archive cannot be read, or the folder not be written.
    """
    try:
        with tarfile.open(archive) as packed:
            for entry in packed:
                _unpack(packed, entry, folder)
    except tarfile.TarError as error:
        raise ValueError(str(error)) from error


def _unpack(packed: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    name = entry.name.lstrip("/")
    if not (is_inside(name) and (entry.isfile() or entry.isdir())):
        raise ValueError(f"the entry {entry.name!r}, which is no file or folder inside the archive's own")
    if entry.isdir():
        (folder / name).mkdir(parents=True, exist_ok=True)
        return
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    content = packed.extractfile(entry)
    assert content is not None  # it is a file
    with content, open(folder / name, "wb") as file:
        shutil.copyfileobj(content, file)
