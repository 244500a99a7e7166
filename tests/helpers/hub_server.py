"""A dataset hub on loopback, as far as Hugging Face's file system asks one: what is in a folder, and the files."""

from __future__ import annotations

import http.server
import importlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

REPOSITORY = "someone/pairs"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        if tree := re.fullmatch(rf"/api/datasets/{REPOSITORY}/tree/main/?(.*)", path):
            folder = self.folder / tree[1]
            entries = folder.rglob("*") if "recursive=true" in self.path.lower() else folder.iterdir()
            self._send_json([self._entry(entry) for entry in sorted(entries)])
        elif path.startswith(f"/api/datasets/{REPOSITORY}"):
            self._send_json({"id": REPOSITORY, "sha": "f" * 40, "private": False, "tags": [], "siblings": []})
        elif file := re.fullmatch(rf"/datasets/{REPOSITORY}/resolve/main/(.*)", path):
            self._send_file(self.folder / file[1])
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _entry(self, path: Path) -> dict[str, object]:
        name = path.relative_to(self.folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "oid": "a", "path": name}
        return {"type": "file", "oid": "a", "size": path.stat().st_size, "path": name}

    def _send_json(self, document: object) -> None:
        self._send(json.dumps(document).encode(), "application/json")

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._send(data, "application/octet-stream")
            return
        start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
        whole = len(data)
        self._send(data[start : end + 1], "application/octet-stream", f"bytes {start}-{min(end, whole - 1)}/{whole}")

    def _send(self, data: bytes, kind: str, part: str = "") -> None:
        self.send_response(206 if part else 200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", kind)
        self.send_header("ETag", '"a"')
        self.send_header("X-Repo-Commit", "f" * 40)
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def running_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a folder as a dataset while the block runs; yield its URL, hf://…"""
    hub = pytest.importorskip("huggingface_hub")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    constants = importlib.import_module("huggingface_hub.constants")
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    for module in (constants, importlib.import_module("huggingface_hub.file_download")):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # FASHN's adapter sets the variable before the first import
    hub.HfFileSystem.clear_instance_cache()
    try:
        yield f"hf://datasets/{REPOSITORY}"
    finally:
        hub.HfFileSystem.clear_instance_cache()
        server.shutdown()
        server.server_close()
