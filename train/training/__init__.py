"""Training a stage: the loop, the step, its state, and metrics."""
