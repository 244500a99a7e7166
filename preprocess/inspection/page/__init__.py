"""One page that shows what a folder of shards holds: counts, sizes, poses, leakage, and samples to look at."""

from preprocess.inspection.page.write import write_report

__all__ = ["write_report"]
