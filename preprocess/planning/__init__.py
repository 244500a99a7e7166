"""From a dataset's files to a plan: pairs, splits, near-duplicates, shard boundaries, a fingerprint."""
