"""From a plan to a folder of shards: each shard is a pure function of its records, committed atomically."""

from preprocess.sharding.build import Summary, build, in_worker_processes
from preprocess.sharding.content import check_content
from preprocess.sharding.dry_run import Estimate, estimate
from preprocess.sharding.folder import read_near_duplicates, read_plan
from preprocess.sharding.node import Node
from preprocess.sharding.pool import Engine
from preprocess.sharding.ray_engine import ray_engine
from preprocess.sharding.shared_counts import RejectLimitError

__all__ = [
    "Engine",
    "Estimate",
    "Node",
    "RejectLimitError",
    "Summary",
    "build",
    "check_content",
    "estimate",
    "in_worker_processes",
    "ray_engine",
    "read_near_duplicates",
    "read_plan",
]
