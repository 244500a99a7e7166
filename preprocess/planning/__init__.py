"""From a data set's files to a plan: pairs, splits, near-duplicates, shard boundaries, a fingerprint."""
