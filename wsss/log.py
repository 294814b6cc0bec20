"""The one logger of the project; the command line gives it its handlers."""

import logging

logger = logging.getLogger("wsss")
