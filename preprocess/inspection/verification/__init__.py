"""Proof that a folder of shards is whole: nothing lost, nothing damaged, nothing added, nothing leaked."""

from preprocess.inspection.verification.folder_check import Report, open_plan, verify
from preprocess.inspection.verification.problem import Problem

__all__ = ["Problem", "Report", "open_plan", "verify"]
