"""From a plan to a folder of shards: each shard a pure function of its records, committed whole."""

from preprocess.build.run import ProgressCall, Summary, build

__all__ = ["ProgressCall", "Summary", "build"]
