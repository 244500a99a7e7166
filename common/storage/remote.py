"""A folder at a URL: read from anything that fsspec knows, written as whole objects of S3.

An object store has no temporary names and no renames, and needs none: an object exists once the last of its parts has
been put together, or not at all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from common.errors import UserError
from common.storage.connection import open_url, with_retries

PART = 16 << 20
"""Bytes of a part; what has fewer than two is put at once. S3 wants 5 MiB at least, and 10,000 parts at most."""
_AT_ONCE = 4
"""Parts under way together, each of them in memory."""
_SCHEMES = ("s3", "s3a")
_PREFIX = "tryon-"
"""Of the names of temporary files."""

_Answer = TypeVar("_Answer")


class RemoteStorage:
    """The objects below a URL. Every request is repeated where a connection breaks, and what comes is measured.

    Reading raises FileNotFoundError for what does not exist and UserError for everything else, writing UserError.
    Opening raises UserError where fsspec does not know the URL's scheme or lacks the package for it; ``option`` is the
    command line's that gave the URL.
    """

    def __init__(self, url: str, option: str, wait: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._option = option
        self._wait = wait
        self._files, self._path = open_url(option, self._url)

    def __str__(self) -> str:
        return self._url

    def __reduce__(self) -> tuple[type[RemoteStorage], tuple[str, str]]:
        return RemoteStorage, (self._url, self._option)  # connections are each process's own

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self._url.rpartition("/")[2]

    def where(self, name: str) -> str:
        """Return an object's URL, for messages."""
        return f"{self._url}/{name}"

    def prepare(self) -> None:
        """Raise UserError unless the URL is of a bucket that exists and that this program can write to."""
        if self._url.partition("://")[0] not in _SCHEMES:
            raise UserError(f"{self._option} {self._url}: only s3:// URLs are written to; give one, or a folder")
        bucket = self._bucket()[0]
        try:
            self._retry("", "reached", lambda: self._files.call_s3("head_bucket", Bucket=bucket))
        except FileNotFoundError as error:
            raise UserError(
                f"{self._option} {self._url}: there is no bucket {bucket}; make it, or give another one"
            ) from error

    def names(self) -> list[str]:
        """List the names of everything below the URL, sorted; empty where there is nothing."""
        try:
            paths = self._retry("", "listed", lambda: self._files.ls(self._path, detail=False))
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def is_file(self, name: str) -> bool:
        """Say whether the name is that of an object."""
        return self._retry(name, "read", lambda: bool(self._files.isfile(self._key(name))))

    def size(self, name: str) -> int:
        """Return the size of an object in bytes."""
        return self._retry(name, "read", lambda: self._size(name))

    def read(self, name: str) -> bytes:
        """Return a whole object."""

        def request() -> bytes:
            size = self._size(name)
            return _of_size(self._files.cat_file(self._key(name)), size)

        return self._retry(name, "read", request)

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes of an object from ``offset`` on."""

        def request() -> bytes:
            return _of_size(self._files.cat_file(self._key(name), start=offset, end=offset + size), size)

        return self._retry(name, "read", request)

    def open(self, name: str) -> BinaryIO:
        """Fetch an object to a temporary file, which is removed as it is closed. Raise OSError (of that file) too."""
        size = self.size(name)
        file: Any = tempfile.NamedTemporaryFile(prefix=_PREFIX)  # noqa: SIM115 - the caller's to close

        def fetch() -> None:
            self._files.get_file(self._key(name), file.name)
            if Path(file.name).stat().st_size != size:
                raise OSError(f"another number of bytes came than {size}")

        try:
            self._retry(name, "read", fetch)
        except BaseException:
            file.close()
            raise
        opened: BinaryIO = file
        return opened

    def write(self, name: str, data: bytes) -> None:
        """Put an object."""
        self._put(name, len(data), lambda: self._files.pipe_file(self._key(name), data))

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Yield a temporary file that is put, in parts, as the block ends. Raise OSError (of that file) too."""
        with tempfile.NamedTemporaryFile(prefix=_PREFIX) as file:
            opened: Any = file
            yield opened
            file.flush()
            self._put(
                name,
                file.tell(),
                lambda: self._files.put_file(file.name, self._key(name), chunksize=PART, max_concurrency=_AT_ONCE),
            )

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        self._retry(name, "removed", lambda: self._files.rm_file(self._key(name)))

    def settle(self) -> None:
        """Do nothing: an object store's removals are durable."""

    def remove_stale(self, names: Collection[str]) -> None:
        """Abort multi-part uploads of these names that nobody completed: they are invisible, but paid for.

        An upload that another process has under way fails by that, and is begun again.
        """
        bucket, prefix = self._bucket()
        listing = self._retry(
            "", "listed", lambda: self._files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/")
        )
        for upload in listing.get("Uploads", ()):
            if upload["Key"].removeprefix(f"{prefix}/") in names:
                self._files.call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )

    def _put(self, name: str, size: int, put: Callable[[], object]) -> None:
        def request() -> None:
            put()
            if (arrived := self._size(name)) != size:
                raise OSError(f"{arrived} bytes arrived of {size}")

        self._retry(name, "written", request)

    def _size(self, name: str) -> int:
        size = self._files.info(self._key(name))["size"]
        if size is None:
            raise OSError("the server does not tell the size")
        return int(size)

    def _bucket(self) -> tuple[str, str]:
        """Return the bucket's name, and that of the folder in it."""
        bucket, _, prefix = self._path.partition("/")
        return bucket, prefix

    def _key(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _retry(self, name: str, verb: str, request: Callable[[], _Answer]) -> _Answer:
        return with_retries(self.where(name).rstrip("/"), request, verb=verb, wait=self._wait)


def _of_size(data: bytes, size: int) -> bytes:
    """Return the data. Raise OSError where a connection was cut short, or a server sent the whole file for a range."""
    if len(data) != size:
        raise OSError(f"{len(data)} bytes came in place of {size}")
    return bytes(data)
