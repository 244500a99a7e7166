"""Verification that a folder of shards is complete: nothing lost, damaged, added or leaked between splits."""

from preprocess.inspection.verification.folder_check import Report, open_plan, verify
from preprocess.inspection.verification.problem import Problem

__all__ = ["Problem", "Report", "open_plan", "verify"]
