"""Access to URLs through fsspec, with retries when a connection breaks.

fsspec is imported only when a URL is given, so local folders do not need it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from inspect import signature
from typing import Any, TypeVar

from common.errors import UserError
from common.text import one_line

ATTEMPTS = 5
"""Attempts per request before the run stops; the delay starts at 0.5 s and doubles each time, 7.5 s in all."""

_PACKAGES = {
    "http": "aiohttp", "https": "aiohttp", "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs",
    "hf": "huggingface_hub", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko", "ssh": "paramiko",
    "hdfs": "pyarrow",
}  # fmt: skip

_PERMANENT = {
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "PartialCredentialsError": "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "ProfileNotFound": "set AWS_PROFILE to one of ~/.aws/config",
    "PermissionError": "give credentials that permit it",
}
"""Errors that are not retried, by the exception's name (botocore's classes share no base), and what to do."""

_PROXIES: dict[str, dict[str, Any]] = {
    "http": {"client_kwargs": {"trust_env": True}}, "https": {"client_kwargs": {"trust_env": True}},
    "gs": {"session_kwargs": {"trust_env": True}}, "gcs": {"session_kwargs": {"trust_env": True}},
}  # fmt: skip
"""Options by scheme with which aiohttp uses HTTP_PROXY, HTTPS_PROXY and NO_PROXY; the other packages do so anyway."""
_MISSING = (404, 410)
"""HTTP status codes of a file that does not exist."""
_PASSING = (408, 425, 429)
"""HTTP status codes of refusals that may pass, besides the server's own errors: a later request can succeed."""

_Result = TypeVar("_Result")


def open_url(option: str, url: str) -> tuple[Any, str]:
    """Return fsspec's file system for a URL and the URL's path in it; listings are never cached.

    Requests go through the proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).

    Raise UserError, naming the command-line ``option``, if fsspec does not support the URL's scheme or the package for
    it is not installed.
    """
    scheme = url.partition("://")[0]
    chain = [part.partition("://")[0] for part in url.split("::")]  # simplecache::https://…
    try:
        import fsspec

        proxies = {name: options for name, options in _PROXIES.items() if name in chain}
        files, path = fsspec.core.url_to_fs(url, use_listings_cache=False, **proxies)
    except ImportError as error:
        package = _PACKAGES.get(scheme, "")
        if error.name == "fsspec" and package != "s3fs":  # s3fs installs fsspec
            package = f"fsspec {package}".strip()
        advice = f"pip install {package}" if package else one_line(error)
        raise UserError(f"{option} {url}: {scheme}:// needs a package that is not installed; {advice}") from error
    except ValueError as error:
        raise UserError(f"{option} {url}: {one_line(error)}; give a folder or a URL") from error
    return files, str(path)


def whole_file(files: Any) -> dict[str, Any]:
    """Return the options of ``cat`` and ``cat_file`` with which a whole file takes one request.

    s3fs would ask for its size first, to fetch the parts of a large file at the same time; older ones do neither.
    """
    fetch = getattr(files, "_cat_file", None)
    return {"max_concurrency": 1} if fetch and "max_concurrency" in signature(fetch).parameters else {}


def with_retries(
    where: str, request: Callable[[], _Result], *, verb: str = "read", wait: Callable[[float], None] = time.sleep
) -> _Result:
    """Return the result of ``request``, calling it up to `ATTEMPTS` times.

    Raise FileNotFoundError if there is no such file, UserError if the last attempt failed or a retry cannot help;
    ``where`` and ``verb`` (a participle) are for the message.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return request()
        except Exception as error:  # each of fsspec's file systems has its own classes for a broken connection
            cause = _cause(error)
            if isinstance(cause, FileNotFoundError):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), where) from error
            text = "" if str(cause) in ("", "None") else f": {cause}"  # an answer without a body says None
            message = one_line(f"{type(cause).__name__}{text}")
            if advice := _PERMANENT.get(type(cause).__name__):
                raise UserError(f"{where}: cannot be {verb}: {message}; {advice}") from error
            status = status_of(cause)
            if status is not None and 400 <= status < 500 and status not in _PASSING:
                raise UserError(f"{where}: cannot be {verb}: {message}; check the URL and the permissions") from error
            if attempt == ATTEMPTS:
                raise UserError(
                    f"{where}: cannot be {verb}, {ATTEMPTS} attempts, the last one: {message}; "
                    "run the same command again once it can"
                ) from error
            wait(0.5 * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status code with which a web server refused a request; None if it did not answer."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) and status >= 400 else None


def _cause(error: BaseException) -> BaseException:
    """Return the error behind a FileNotFoundError: fsspec raises one for any size request by HTTP that fails."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or cause is None or getattr(cause, "status", None) in _MISSING:
        return error
    of_connection = isinstance(cause, OSError) or type(cause).__module__.partition(".")[0] == "aiohttp"
    return cause if of_connection else error
