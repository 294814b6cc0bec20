"""Where the checkout lies, and how relative paths in settings are read."""

from pathlib import Path

from wsss.errors import ConfigError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def resolve_path(path: str | Path) -> Path:
    """Absolute form of a path from the settings: relative ones start at the project root.

    Args:
        path: absolute or relative path; a leading ``~`` is the home folder.

    Raises:
        ConfigError: a link on the way leads to itself.
    """
    full = Path(PROJECT_ROOT, Path(path).expanduser())
    try:
        return full.resolve()
    # Until Python 3.12 a loop of links is a RuntimeError, and so is a home folder that nobody knows.
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"expected a path that leads somewhere, got {full}: {error}: correct the link or the path"
        ) from error
