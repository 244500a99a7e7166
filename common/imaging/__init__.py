"""Photographs as files: `decoding` opens them and says why one cannot be used, `colour_profiles` converts to sRGB."""
