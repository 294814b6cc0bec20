"""Stage one: from image tags to soft maps per class."""

import wsss  # noqa: F401  the compatibility layer comes first
