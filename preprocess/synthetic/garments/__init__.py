"""Synthetic garments: cut, cloth and prints, worn or as product images."""
