"""Training a stage: the loop, the step, its state, and what is known on the way."""
