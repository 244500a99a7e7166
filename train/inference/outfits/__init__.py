"""From photographs to a photograph: which garments, of what kind, dressed one after the other."""
