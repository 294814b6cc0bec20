"""Where the checkout lies, and how relative paths in settings are read."""

from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def resolve_path(path: str | Path) -> Path:
    """Absolute form of a path from the settings: relative ones start at the project root.

    Args:
        path: absolute or relative path; a leading ``~`` is the home folder.
    """
    return Path(PROJECT_ROOT, Path(path).expanduser()).resolve()
