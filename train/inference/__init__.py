"""From a trained cascade, a person and a garment to pictures. Imports nothing of training."""
