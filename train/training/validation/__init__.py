"""Validation during training: the loss on held-out people, and sheets of sampled pairs."""
