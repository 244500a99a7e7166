"""From a plan to a folder of shards: each shard a pure function of its records, committed whole."""

from preprocess.build.dry_run import Estimate, estimate
from preprocess.build.folder import read_twins
from preprocess.build.node import Node
from preprocess.build.pool import Engine
from preprocess.build.ray_engine import ray_engine
from preprocess.build.run import Summary, build, in_worker_processes
from preprocess.build.tally import RejectLimitError

__all__ = [
    "Engine",
    "Estimate",
    "Node",
    "RejectLimitError",
    "Summary",
    "build",
    "estimate",
    "in_worker_processes",
    "ray_engine",
    "read_twins",
]
