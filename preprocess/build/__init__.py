"""From a plan to a folder of shards: each shard a pure function of its records, committed whole."""

from preprocess.build.dry_run import Estimate, estimate
from preprocess.build.node import Node
from preprocess.build.run import ProgressCall, Summary, build
from preprocess.build.tally import RejectLimitError

__all__ = ["Estimate", "Node", "ProgressCall", "RejectLimitError", "Summary", "build", "estimate"]
