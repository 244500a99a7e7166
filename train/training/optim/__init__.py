"""What turns gradients into new weights: where it happens, when, and at what scale."""
