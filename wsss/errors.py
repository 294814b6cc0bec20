"""Errors that people meet: one line that says what was expected, what was found, where, and what to do."""


class WsssError(Exception):
    """Base of all errors that the command line shows without a traceback."""


class ConfigError(WsssError):
    """A setting that is unknown, of the wrong type or out of range."""


class ArtifactError(WsssError):
    """A published file or folder that is missing, damaged, stale or in use by another run."""


class DataError(WsssError):
    """A data set whose images, tags or ground truth are missing or do not fit each other."""


class TrainingError(WsssError):
    """A training that cannot go on, for example a loss that is no longer finite."""
