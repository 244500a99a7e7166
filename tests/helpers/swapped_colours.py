"""A colour profile whose red and blue are exchanged, which shows plainly what was converted."""

from __future__ import annotations

from PIL import ImageCms

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
"""sRGB."""
SWAPPED = PROFILE.replace(b"rXYZ", b"tmpT", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmpT", b"bXYZ", 1)
