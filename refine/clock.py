"""Times of the parts of a run."""

from __future__ import annotations

import time


class Clock:
    """Wall-clock seconds per image that a part of the run made; None for a part that made none.

    Where several processes share the images they are those of the first process and its own images.

    Attributes:
        seconds: name of the part -> seconds per image.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float | None] = {}
        self._last = time.monotonic()

    def stop(self, part: str, images: int) -> None:
        """Write down the time since the last part."""
        now = time.monotonic()
        self.seconds[part] = round((now - self._last) / images, 4) if images else None
        self._last = now
