"""The explicit warp: which part of the garment belongs where on the person, and copying it from there."""
