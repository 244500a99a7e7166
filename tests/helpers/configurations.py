"""The configuration of shards that tests start from."""

from __future__ import annotations

from schemas import Configuration

CONFIGURATION = Configuration(
    source="aihub",
    garment="upper",
    pairing="item",
    views="matching",
    linings=False,
    target_size=1024,
    conditioning_size=256,
    jpeg_quality=95,
)
"""What `prep build-shards` is set to where the command line says nothing; a test changes what it is about."""
