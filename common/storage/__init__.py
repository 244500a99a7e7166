"""Storage of a folder of shards, local or at a URL: read files whole or in ranges, list, write, remove.

`Storage` is the protocol; `LocalStorage` is for folders, `RemoteStorage` for URLs. Both programs use it, so they
support the same locations with the same retries and the same messages.
"""

from __future__ import annotations

import re
from pathlib import Path

from common.errors import UserError
from common.storage.base import Storage
from common.storage.local import LocalStorage

__all__ = ["LocalStorage", "Storage", "open_storage"]


def open_storage(location: Path | str | Storage, option: str) -> Storage:
    """Return the storage at a path or a URL; a Storage is returned as is. Raise UserError for `pipe:` commands.

    ``option`` is the command-line option of the location, for messages.
    """
    if not isinstance(location, Path | str):
        return location
    if re.match(r"(.*::)?pipe:", str(location)):
        raise UserError(f"{option} {location}: commands are not run; give a folder, or the URL of one")
    if isinstance(location, Path) or "://" not in location:
        return LocalStorage(Path(location))
    from common.storage.remote import RemoteStorage  # takes 0.2 s to import, not needed for local folders

    return RemoteStorage(location, option)
