"""What people and garments are drawn with: canvas, view, solids, colours, labels."""
