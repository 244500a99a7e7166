"""What goes wrong when drawn data cannot be made."""

from __future__ import annotations


class DrawnDataError(ValueError):
    """A request for drawn data that cannot be met: a bad outfit, bad numbers, a folder that is somebody else's."""
