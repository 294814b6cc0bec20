"""The command line ``wsss``: each verb in a module of its own, imported here to be listed by ``--help``."""

import wsss  # noqa: F401  the compatibility layer comes first

# isort: split
from wsss.cli import (  # noqa: F401
    benchmark,
    config,
    data,
    data_boxes,
    doctor,
    evaluate,
    evaluate_boxes,
    exchange,
    masks,
    predict,
    repair,
    report,
    results,
    run,
    show,
    status,
    submit,
)
from wsss.cli.app import app, main

__all__ = ["app", "main"]
