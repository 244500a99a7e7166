"""A stage's run folder on disk: configuration, data claim, metrics, checkpoints, sheets and lock. Start at `RunFolder`."""
