"""Storage at a URL: reads any scheme that fsspec supports, writes whole objects to S3.

An object store needs no temporary names or renames: an object becomes visible once its upload is complete, or not at
all.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from common.errors import UserError
from common.storage.connection import open_url, whole_file, with_retries

PART = 16 << 20
"""Bytes of a part; objects below two parts are put at once. S3 requires at least 5 MiB and at most 10,000 parts."""
_MAX_CONCURRENCY = 4
"""Parts uploaded at the same time, each of them in memory."""
_SCHEMES = ("s3", "s3a")
_PREFIX = "tryon-"
"""Prefix of the names of temporary files."""

_Result = TypeVar("_Result")


class RemoteStorage:
    """The objects below a URL. Requests are retried when a connection breaks, and the size of responses is checked.

    Reading raises FileNotFoundError for a missing object and UserError otherwise; writing raises UserError. The
    constructor raises UserError if fsspec does not support the URL's scheme or the package for it is not installed;
    ``option`` is the command-line option of the URL.
    """

    def __init__(self, url: str, option: str, wait: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._option = option
        self._wait = wait
        self._files, self._path = open_url(option, self._url)

    def __str__(self) -> str:
        return self._url

    def __reduce__(self) -> tuple[type[RemoteStorage], tuple[str, str]]:
        return RemoteStorage, (self._url, self._option)  # connections belong to one process

    @property
    def _scheme(self) -> str:
        return self._url.partition("://")[0]

    @property
    def _checks_length(self) -> bool:
        """Whether the client itself compares a response with its Content-Length, so that no size is requested."""
        return self._scheme in (*_SCHEMES, "http", "https")

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self._url.rpartition("/")[2]

    def where(self, name: str) -> str:
        """Return an object's URL, for messages."""
        return f"{self._url}/{name}"

    def prepare(self) -> None:
        """Raise UserError unless the URL is in an existing bucket that this program can write to."""
        if self._scheme not in _SCHEMES:
            raise UserError(f"{self._option} {self._url}: only s3:// URLs can be written; give one, or a folder")
        bucket = self._bucket()[0]
        try:
            self._retry("", "reached", lambda: self._files.call_s3("head_bucket", Bucket=bucket))
        except FileNotFoundError as error:
            raise UserError(
                f"{self._option} {self._url}: there is no bucket {bucket}; create it, or give another one"
            ) from error

    def names(self) -> list[str]:
        """List the names of everything below the URL, sorted; empty if there is nothing."""
        try:
            paths = self._retry("", "listed", lambda: self._files.ls(self._path, detail=False))
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def is_file(self, name: str) -> bool:
        """Return whether the name is that of an object."""
        try:  # fsspec's isfile takes a server that does not answer for a missing file
            return bool(self._retry(name, "read", lambda: self._files.info(self._key(name)))["type"] == "file")
        except FileNotFoundError:
            return False

    def size(self, name: str) -> int:
        """Return the size of an object in bytes."""
        return self._retry(name, "read", lambda: self._size(name))

    def read(self, name: str) -> bytes:
        """Return a whole object."""
        if not self._checks_length:
            return self._retry(name, "read", lambda: _of_size(self._whole(name), self._size(name)))
        return self._retry(name, "read", lambda: self._whole(name))

    def _whole(self, name: str) -> bytes:
        return bytes(self._files.cat_file(self._key(name), **whole_file(self._files)))

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes of an object from ``offset`` on."""

        def request() -> bytes:
            return _of_size(self._files.cat_file(self._key(name), start=offset, end=offset + size), size)

        return self._retry(name, "read", request)

    def open(self, name: str) -> BinaryIO:
        """Download an object to a temporary file, which is removed on close. Raise OSError for that file, too."""
        size = None if self._checks_length else self.size(name)
        file: Any = tempfile.NamedTemporaryFile(prefix=_PREFIX)  # noqa: SIM115 - the caller closes it

        def fetch() -> None:
            self._files.get_file(self._key(name), file.name)
            if size is not None and (received := Path(file.name).stat().st_size) != size:
                raise OSError(f"{received} bytes received instead of {size}")

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
        """Yield a temporary file that is uploaded, in parts, when the block ends. Raise OSError for that file, too."""
        with tempfile.NamedTemporaryFile(prefix=_PREFIX) as file:
            opened: Any = file
            yield opened
            file.flush()
            self._put(
                name,
                file.tell(),
                lambda: self._files.put_file(
                    file.name, self._key(name), chunksize=PART, max_concurrency=_MAX_CONCURRENCY
                ),
            )

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        self._retry(name, "removed", lambda: self._files.rm_file(self._key(name)))

    def settle(self) -> None:
        """Do nothing: removals in an object store are durable."""

    def remove_stale(self, names: Collection[str]) -> None:
        """Abort unfinished multi-part uploads of these names: they are invisible, but are charged for.

        This makes another process's upload in progress fail; that process retries it.
        """
        bucket, prefix = self._bucket()
        listing = self._retry(
            "", "listed", lambda: self._files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/")
        )
        for upload in listing.get("Uploads", ()):
            if upload["Key"].removeprefix(f"{prefix}/") in names:
                with suppress(FileNotFoundError):  # completed or aborted by another process meanwhile
                    self._abort(bucket, upload["Key"], upload["UploadId"])

    def _abort(self, bucket: str, key: str, upload: str) -> None:
        self._retry(
            "", "written",
            lambda: self._files.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload),
        )  # fmt: skip

    def _put(self, name: str, size: int, put: Callable[[], object]) -> None:
        def request() -> None:
            put()
            if (arrived := self._size(name)) != size:
                raise OSError(f"{arrived} bytes of {size} arrived")

        self._retry(name, "written", request)

    def _size(self, name: str) -> int:
        size = self._files.info(self._key(name))["size"]
        if size is None:
            raise OSError("the server does not report the size")
        return int(size)

    def _bucket(self) -> tuple[str, str]:
        """Return the bucket's name, and the folder's name in it."""
        bucket, _, prefix = self._path.partition("/")
        return bucket, prefix

    def _key(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _retry(self, name: str, verb: str, request: Callable[[], _Result]) -> _Result:
        return with_retries(self.where(name).rstrip("/"), request, verb=verb, wait=self._wait)


def _of_size(data: bytes, size: int) -> bytes:
    """Return the data. Raise OSError if the connection was cut short or the server ignored a range request."""
    if len(data) != size:
        raise OSError(f"{len(data)} bytes received instead of {size}")
    return bytes(data)
