"""The one logger of the project; the command line gives it its handlers."""

import logging

logger = logging.getLogger("wsss")

# Control characters and those that turn the direction of text: names in files from elsewhere may hold them.
_UNSEEN = [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_SHOWN = {code: chr(code).encode("unicode_escape").decode("ascii") for code in _UNSEEN}
_LINES = {code: shown for code, shown in _SHOWN.items() if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    r"""Text that a terminal shows and does not obey; lines and tabs stay.

    >>> printable("cat\x1b[2J")
    'cat\\x1b[2J'
    """
    return text.translate(_LINES)


class OneLine(logging.Formatter):
    """Each message on a line of its own, whatever names it quotes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, with what would end it or move the cursor written out."""
        return super().formatMessage(record).translate(_SHOWN)
