"""Downloads weights: resumed after an interruption, checked by size and SHA-256, under their final name once whole.

Proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). What has arrived lies beside the final name
with the ending `.part`, and is continued by a range request as long as the server has the same file.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from common.errors import UserError, reason
from preprocess.annotation.fetching.catalogue import File

_CHUNK: Final = 1 << 20
_TRIES: Final = 5
"""Attempts at one file, each of which continues where the one before ended."""
_PAUSE: Final = 0.5
"""Seconds before the second attempt; doubled each time."""
_TIMEOUT: Final = 30
"""Seconds without a byte."""
_DIGITS: Final = 64
_BROKEN: Final = (OSError, http.client.HTTPException)
"""What a connection that ends too early raises; an URLError is an OSError."""

Progress = Callable[[int, int], None]
"""Called with (bytes, total); a total of 0 is not known."""


def download(file: File, folder: Path, progress: Progress, mirror: str = "") -> tuple[Path, bool]:
    """Return where the file is, fetching it if it is not there, and whether its content could be checked.

    ``mirror`` is a URL below which all files have the names that they have in ``folder``. Raise UserError if the file
    cannot be fetched, is not the published one, or cannot be written.
    """
    path = folder / file.name
    url = f"{mirror.rstrip('/')}/{file.name}" if mirror else file.url
    if path.is_file() and (not file.sha256 or sha256_of(path) == file.sha256):
        return path, bool(file.sha256)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab+") as target:
            _lock(target, part)
            left_over = target.seek(0, os.SEEK_END)
            stated = _all_of(url, target, progress, unsure=left_over > 0 and not file.sha256)
            digest = _checked(file, target, part, stated, url)
            os.fsync(target.fileno())
            part.replace(path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{part}: {reason(error)}; give another folder by --to, or make room") from error
    return path, digest


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(target: IO[bytes], part: Path) -> None:
    try:
        fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UserError(f"{part}: another prep is fetching it; wait for it to end") from error


class _UnknownReleaseError(Exception):
    """What an earlier run left may be of another release, which no digest would tell."""


def _all_of(url: str, target: IO[bytes], progress: Progress, *, unsure: bool) -> str:
    """Fetch what is missing of a file; return the SHA-256 that the server states, "" if it states none.

    With ``unsure`` what has arrived is only continued if the server states one.
    """
    pause = _PAUSE
    for attempt in range(1, _TRIES + 1):
        before = target.seek(0, os.SEEK_END)
        try:
            return _rest_of(url, target, progress, unsure=unsure)
        except _UnknownReleaseError:
            target.truncate(0)
            return _all_of(url, target, progress, unsure=False)
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                target.truncate(0)  # what has arrived is of another file
            elif error.code < http.client.INTERNAL_SERVER_ERROR or attempt == _TRIES:
                raise UserError(f"{url}: {error.code} {error.reason}; try again later, or --mirror URL") from error
        except _BROKEN as error:
            arrived = target.seek(0, os.SEEK_END)
            unsure = unsure and arrived == before  # else this run has begun anew, or knows the digest
            if attempt == _TRIES:
                cause = getattr(error, "reason", error) or type(error).__name__
                kept = f" after {arrived} bytes, which are kept" if arrived else ""
                raise UserError(
                    f"{url}: {cause}{kept}; check the network or HTTPS_PROXY, or fetch the file by other means"
                ) from error
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _rest_of(url: str, target: IO[bytes], progress: Progress, *, unsure: bool) -> str:
    start = target.seek(0, os.SEEK_END)
    headers = {"User-Agent": "tryon-cascade", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    redirects = _Redirects()
    opener = urllib.request.build_opener(redirects)  # with the proxies that the environment names now
    with opener.open(request, timeout=_TIMEOUT) as answer:
        if start and not _continues(answer, start):
            start = 0
            target.truncate(0)
        stated = redirects.stated or _stated(answer.headers)
        if start and unsure and not stated:
            raise _UnknownReleaseError  # before the body is read
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdecimal() else 0
        done = start
        while chunk := answer.read(_CHUNK):
            target.write(chunk)
            done += len(chunk)
            progress(done, total)
        target.flush()
        if done < total:
            raise http.client.IncompleteRead(b"", total - done)
        return stated


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and keeps the digest that one of them states: Hugging Face's own answer is a redirect."""

    stated = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self.stated = _stated(headers) or self.stated
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _continues(answer: Any, start: int) -> bool:
    ranges = str(answer.headers.get("Content-Range", ""))
    return bool(answer.status == http.client.PARTIAL_CONTENT and ranges.startswith(f"bytes {start}-"))


def _stated(headers: Any) -> str:
    """Return the SHA-256 by which Hugging Face names large files, "" for none."""
    for header in ("X-Linked-ETag", "ETag"):
        value = str(headers.get(header) or "").removeprefix("W/").strip('"').lower()
        if len(value) == _DIGITS and all(digit in "0123456789abcdef" for digit in value):
            return value
    return ""


def _checked(file: File, target: IO[bytes], part: Path, stated: str, url: str) -> bool:
    """Return whether there was a digest to check. Raise UserError, and drop what arrived, if it is another file."""
    size = target.seek(0, os.SEEK_END)
    target.seek(0)
    digest = hashlib.file_digest(target, "sha256").hexdigest()  # type: ignore[arg-type]
    wanted = file.sha256 or stated
    problem = ""
    if file.size is not None and size != file.size:
        problem = f"{size} bytes instead of {file.size}"
    elif wanted and digest != wanted:
        problem = f"SHA-256 {digest} instead of {wanted}"
    elif not size:
        problem = "an empty file"
    if problem:
        part.unlink()
        raise UserError(f"{url}: {problem}; it is not the published file, and is not kept")
    return bool(wanted)
