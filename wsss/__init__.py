"""The ground floor that all stages stand on; it imports none of them.

Importing any part of it puts the compatibility layer in place, so every stage package imports ``wsss`` first.
"""

from wsss import compat

compat.apply()

__version__ = "0.1.0"
