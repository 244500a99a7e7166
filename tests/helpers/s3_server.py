"""A real S3 server on loopback (moto's), and a proxy before it that breaks connections off."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import pytest

BUCKET = "bucket"
_CHUNK = 1 << 14
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: what is closed is reset, as when a network goes away."""


class BreakingProxy:
    """Passes connections on to a server; ``break_off`` says which break in mid-transfer."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._after = 0
        self._left = 0
        self.broken = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def break_off(self, times: int, after: int) -> None:
        """Break the next connections off that transfer more than ``after`` bytes, so many ``times``."""
        with self._lock:
            self._left, self._after = times, after

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        moved = 0
        with client, socket.create_connection(self._server) as server, contextlib.suppress(OSError):
            others = {client: server, server: client}
            while True:
                for source in select.select(list(others), [], [])[0]:
                    data = source.recv(_CHUNK)
                    if not data:
                        return
                    moved += len(data)
                    if self._breaks(moved):
                        for end in others:
                            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        return
                    others[source].sendall(data)

    def _breaks(self, moved: int) -> bool:
        with self._lock:
            if self._left == 0 or moved <= self._after:
                return False
            self._left -= 1
            self.broken += 1
            return True


class S3Server:
    """The server as tests see it: ``proxy`` is what AWS_ENDPOINT_URL leads to, ``client`` goes past it."""

    def __init__(self, proxy: BreakingProxy, client: Any) -> None:
        self.proxy = proxy
        self.client = client

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return every object of a folder of the bucket, by name."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/").get("Contents", ())
        keys = [one["Key"] for one in found]
        return {
            key.removeprefix(f"{prefix}/"): self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in keys
        }

    def uploads(self) -> list[str]:
        """Return the keys of multi-part uploads that nobody has ended."""
        return [one["Key"] for one in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]


@contextmanager
def running_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Start a server with an empty bucket, and set the environment so that clients find it."""
    pytest.importorskip("s3fs", reason="no s3fs: pip install 'tryon-cascade[s3]'")
    moto = pytest.importorskip("moto.server", reason="no moto: pip install 'tryon-cascade[dev]'")
    import botocore.session
    import s3fs

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    proxy = BreakingProxy(host, port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    client = botocore.session.get_session().create_client("s3", endpoint_url=f"http://{host}:{port}")
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # servers of a process share it all
    client.create_bucket(Bucket=BUCKET)
    s3fs.S3FileSystem.clear_instance_cache()
    yield S3Server(proxy, client)
    s3fs.S3FileSystem.clear_instance_cache()
    client.close()
    proxy.close()
    server.stop()
