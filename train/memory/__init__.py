"""Memory planning: what a stage's training takes on a GPU, and which settings fit, without a GPU."""
