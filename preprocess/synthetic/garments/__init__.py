"""Drawn garments: cut, cloth and prints, worn or alone."""
