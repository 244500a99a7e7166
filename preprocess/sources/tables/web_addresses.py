"""URLs taken apart, whatever a table holds in their place."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

WEB = ("http", "https")
"""Schemes of ordinary web servers."""


def taken_apart(url: str) -> SplitResult | None:
    """Return a URL's parts, None if it is malformed: half a bracket, a port that is none, a web address of no host."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme not in WEB or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return None
    return parts if whole else None


def path_in(url: str) -> str:
    """Return the path of a URL on its server, the text itself if it is malformed."""
    parts = taken_apart(url)
    return url if parts is None else parts.path


def server_of(url: str) -> str:
    """Return a URL's server with its port, "" if it is malformed."""
    parts = taken_apart(url)
    return "" if parts is None else parts.netloc
