"""What people look at: one HTML page for a run or for two side by side, and pictures of single images."""

from wsss.report.page import write_report

__all__ = ["write_report"]
