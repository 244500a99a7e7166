"""A folder of shards, on this machine or at a URL: read whole or by ranges, listed, written, removed.

One protocol, `Storage`; `LocalStorage` for folders, `RemoteStorage` for URLs. prep writes through it what the trainer
reads through it, so that both reach the same places, with the same retries and the same messages.
"""

from __future__ import annotations

import re
from pathlib import Path

from common.errors import UserError
from common.storage.base import Storage
from common.storage.local import LocalStorage

__all__ = ["LocalStorage", "Storage", "open_storage"]


def open_storage(location: Path | str | Storage, option: str) -> Storage:
    """Return the storage at a path or a URL, or the one given. Raise UserError for what is neither, and for commands.

    ``option`` is the command line's that gave the location, for messages.
    """
    if not isinstance(location, Path | str):
        return location
    if re.match(r"(.*::)?pipe:", str(location)):
        raise UserError(f"{option} {location}: commands are not run; give a folder, or the URL of one")
    if isinstance(location, Path) or "://" not in location:
        return LocalStorage(Path(location))
    from common.storage.remote import RemoteStorage  # 0.2 s that a folder of this machine need not wait for

    return RemoteStorage(location, option)
