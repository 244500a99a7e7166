"""Inspection: of a dataset before the build, and of the shards after it."""
