"""``python -m wsss.cli``."""

from wsss.cli import main

main()
