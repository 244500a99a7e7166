"""A folder of shards at a URL: whole objects, put by multi-part upload from a file that was finished before.

An object store has no temporary names and no renames, and needs none: an object is there whole, once the last of its
parts was put together, or not at all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from common.errors import UserError
from common.remote import open_url, persist

PART = 16 << 20
"""Bytes of a part; what has fewer than two is put at once. S3 wants 5 MiB at least, and 10,000 parts at most."""
_AT_ONCE = 4
"""Parts under way together, each of them in memory."""
_SCHEMES = ("s3", "s3a")

_Answer = TypeVar("_Answer")


class RemoteFolder:
    """The objects below a URL: any that fsspec knows for reading, of S3 for writing.

    Raise UserError where fsspec does not know the URL or lacks the package for it.
    """

    def __init__(self, url: str, option: str, wait: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._option = option
        self._wait = wait
        self._files, self._path = open_url(option, self._url)

    def __str__(self) -> str:
        return self._url

    def __reduce__(self) -> tuple[type[RemoteFolder], tuple[str, str]]:
        return RemoteFolder, (self._url, self._option)  # connections are each process's own

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self._url.rpartition("/")[2]

    def prepare(self) -> None:
        """Raise UserError unless the URL is of a bucket that is there and can be written to by this program."""
        if self._url.partition("://")[0] not in _SCHEMES:
            raise UserError(f"{self._option} {self._url}: only s3:// URLs are written to; give one, or a folder")
        bucket = self._bucket()[0]
        try:
            self._persist("", "reached", lambda: self._files.call_s3("head_bucket", Bucket=bucket))
        except FileNotFoundError as error:
            raise UserError(
                f"{self._option} {self._url}: there is no bucket {bucket}; make it, or give another one"
            ) from error

    def names(self) -> list[str]:
        """Return the names of all that lies below the URL, in order. Raise UserError."""
        try:
            found = self._persist("", "listed", lambda: self._files.ls(self._path, detail=False))
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def is_file(self, name: str) -> bool:
        """Say whether the name is an object's. Raise UserError."""
        return self._persist(name, "read", lambda: bool(self._files.isfile(self._place(name))))

    def read(self, name: str) -> bytes:
        """Return a whole object. Raise FileNotFoundError or UserError."""
        return self._persist(name, "read", lambda: bytes(self._files.cat_file(self._place(name))))

    def open(self, name: str) -> BinaryIO:
        """Fetch an object to a temporary file, which goes as it is closed. Raise OSError or UserError."""
        size = self.size(name)
        file: Any = tempfile.NamedTemporaryFile(prefix="prep-")  # noqa: SIM115 - the caller's to close

        def fetch() -> None:
            self._files.get_file(self._place(name), file.name)
            if Path(file.name).stat().st_size != size:
                raise OSError(f"another number of bytes came than {size}")

        try:
            self._persist(name, "read", fetch)
        except BaseException:
            file.close()
            raise
        opened: BinaryIO = file
        return opened

    def size(self, name: str) -> int:
        """Return the size of an object in bytes. Raise FileNotFoundError or UserError."""
        return self._persist(name, "read", lambda: int(self._files.info(self._place(name))["size"]))

    def write(self, name: str, data: bytes) -> None:
        """Put an object. Raise UserError."""
        self._put(name, len(data), lambda: self._files.pipe_file(self._place(name), data))

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Give a temporary file that is put as the block ends. Raise OSError (of that file) or UserError."""
        with tempfile.NamedTemporaryFile(prefix="prep-") as file:
            opened: Any = file
            yield opened
            file.flush()
            self._put(
                name,
                file.tell(),
                lambda: self._files.put_file(file.name, self._place(name), chunksize=PART, max_concurrency=_AT_ONCE),
            )

    def remove(self, name: str) -> None:
        """Remove an object, if there is one. Raise UserError."""
        self._persist(name, "removed", lambda: self._files.rm_file(self._place(name)))

    def settle(self) -> None:
        """Do nothing: what was removed from an object store stays away."""

    def remove_stale(self, names: Collection[str]) -> None:
        """Abort multi-part uploads of these names that nobody ended: they are not seen, but paid for. Raise UserError.

        An upload that another process has under way fails by that, and is begun again.
        """
        bucket, prefix = self._bucket()
        found = self._persist(
            "", "listed", lambda: self._files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/")
        )
        for upload in found.get("Uploads", ()):
            if upload["Key"].removeprefix(f"{prefix}/") in names:
                self._files.call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )

    def _put(self, name: str, size: int, put: Callable[[], object]) -> None:
        def ask() -> None:
            put()
            if (held := int(self._files.info(self._place(name))["size"])) != size:
                raise OSError(f"{held} bytes arrived of {size}")

        self._persist(name, "written", ask)

    def _bucket(self) -> tuple[str, str]:
        """Return the bucket's name, and that of the folder in it."""
        bucket, _, prefix = self._path.partition("/")
        return bucket, prefix

    def _place(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _persist(self, name: str, verb: str, ask: Callable[[], _Answer]) -> _Answer:
        return persist(f"{self._url}/{name}".rstrip("/"), ask, verb=verb, wait=self._wait)
