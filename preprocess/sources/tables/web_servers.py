"""Which web servers that a table names have answered.

A server that never did is most likely misspelled or out of reach: waiting 7.5 s for each of its files would take a
table of 100,000 images nine days. After the first few of its files no request is made to it any more. A server that
has answered once is asked anew for each file, since what breaks in the middle of a run comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from multiprocessing import parent_process
from urllib.parse import urlsplit

from common.progress import notice

_PATIENCE = 3
"""Files for which a server is asked, with all attempts, until it is taken to be out of reach."""


class WebServers:
    """What is known of each server, by the part of a URL between '//' and '/'."""

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._silent: Counter[str] = Counter()

    def __reduce__(self) -> tuple[Callable[[set[str], Counter[str]], WebServers], tuple[set[str], Counter[str]]]:
        """Become, in a worker process, the one that this process has: each task brings the files of a table anew."""
        return _joined, (self._answered, self._silent)

    def join(self, answered: set[str], silent: Counter[str]) -> None:
        """Add what another process knows."""
        self._answered |= answered
        self._silent |= silent
        for server in self._answered:
            self._silent.pop(server, None)

    def is_out_of_reach(self, url: str) -> bool:
        """Return whether the server of a URL has been asked in vain for so many files, and has answered for none."""
        return self._silent[_server(url)] >= _PATIENCE

    def answers(self, url: str) -> None:
        """Note that the server of a URL has answered, whatever it said."""
        self._answered.add(_server(url))
        self._silent.pop(_server(url), None)

    def is_silent(self, url: str, why: str) -> None:
        """Note that the server of a URL has not answered; say so once it is taken to be out of reach."""
        server = _server(url)
        if server in self._answered:
            return
        self._silent[server] += 1
        if self._silent[server] == _PATIENCE and parent_process() is None:  # one line, whatever the workers
            notice("prep", f"{server} has never answered and is not asked again; its files are rejected ({why})")


SERVERS = WebServers()
"""What this process knows."""


def _joined(answered: set[str], silent: Counter[str]) -> WebServers:
    SERVERS.join(answered, silent)
    return SERVERS


def _server(url: str) -> str:
    return urlsplit(url).netloc
