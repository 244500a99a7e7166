"""The run folder of a stage: its configuration, checkpoints and lock."""
