"""Sampling: from a trained cascade, a person and a garment to images. Does not import the training loop."""
