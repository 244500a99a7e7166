"""A web server on loopback that serves a folder by ranges, and breaks answers off or ignores ranges when told to."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


class HttpServer(http.server.ThreadingHTTPServer):
    """Serves a folder; ``drops`` is how many of the next answers break off in their middle."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.drops = 0
        self.ranges = True
        self.status = 0
        """The status code of every answer, 0 for those that fit."""
        self.redirect = ""
        """The name of the file to which requests for files that do not exist are sent, which state the SHA-256 alone"""
        self.etag = ""
        """The SHA-256 that every answer states, as Hugging Face's do; "" for none"""
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """The folder's URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer

    def do_GET(self) -> None:
        path = Path(self.translate_path(re.sub(r"^http://[^/]*", "", self.path)))  # a proxy is sent whole URLs
        wanted = self.headers.get("Range", "")
        self.server.requests.append((path.name, wanted))
        if self.server.status:
            self.send_error(self.server.status)
            return
        if not path.is_file() and self.server.redirect:
            self.send_response(302)
            self.send_header("Location", f"{self.server.url}/{self.server.redirect}")
            self.send_header("X-Linked-ETag", f'"{self.server.etag}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if found and self.server.ranges and int(found[1]) >= len(data):
            self.send_error(416)
            return
        if found and self.server.ranges:
            start, end = int(found[1]), int(found[2] or len(data) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
            data = data[start : end + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        if self.server.etag and not self.server.redirect:
            self.send_header("X-Linked-ETag", f'"{self.server.etag}"')
        self.end_headers()
        if self.server.drops > 0:
            self.server.drops -= 1
            self.close_connection = True
            data = data[: len(data) // 2]
        self.wfile.write(data)

    def do_HEAD(self) -> None:
        self.server.requests.append((Path(self.path).name, "HEAD"))
        if self.server.status:
            self.send_error(self.server.status)
            return
        self.path = re.sub(r"^http://[^/]*", "", self.path)
        super().do_HEAD()

    def log_message(self, *_told: object) -> None:
        """Say nothing."""


@contextmanager
def running_http(folder: Path) -> Iterator[HttpServer]:
    """Serve a folder on this machine."""
    with HttpServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
