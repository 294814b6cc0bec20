"""One HTML page for a work folder: figures, thresholds and who chose them, scores per class, pictures."""

from wsss.report.page import write_report

__all__ = ["write_report"]
