"""One page that shows how runs have trained: losses, validation, speed, memory, sheets, and what they differ in."""

from train.reporting.write import write_report

__all__ = ["write_report"]
