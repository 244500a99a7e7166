"""Proof that a folder of shards is whole: nothing lost, nothing damaged, nothing added, nothing leaked."""

from preprocess.verify.folder import Report, open_plan, verify
from preprocess.verify.problem import Problem

__all__ = ["Problem", "Report", "open_plan", "verify"]
