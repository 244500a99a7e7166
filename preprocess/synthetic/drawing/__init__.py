"""Drawing primitives for people and garments: canvas, view, solids, colours, labels."""
