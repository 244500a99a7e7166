"""`trainer report`: one page that shows losses, validation, speed, memory, sheets and differing settings of runs."""

from train.reporting.write import write_report

__all__ = ["write_report"]
