"""Which web servers that a table names have answered.

A server that never did is most likely misspelled or out of reach: waiting 7.5 s for each of its files would take a
table of 100,000 images nine days. After the first few of its files one request a minute is made to it. A server that
has answered once is asked anew for each file, since what breaks in the middle of a run comes back.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing import parent_process
from typing import NamedTuple

from common.progress import notice
from preprocess.sources.tables.web_addresses import server_of, taken_apart

_PATIENCE = 3
"""Files for which a server is asked, with all attempts, until it is taken to be out of reach."""
_PAUSE = 60.0
"""Seconds after which a server out of reach is asked again."""
_PORTS = {"http": 80, "https": 443}


class _Known(NamedTuple):
    """What one process tells another: clocks of machines differ, so times are given as seconds that have passed."""

    answered: frozenset[str]
    silent: Mapping[str, int]
    ages: Mapping[str, float]


class WebServers:
    """What is known of each server of some tables, by the part of a URL between '//' and '/'."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, name: str = "") -> None:
        self._clock = clock
        self._name = name or secrets.token_hex(8)
        self._answered: set[str] = set()
        self._silent: Counter[str] = Counter()
        self._asked: dict[str, float] = {}

    def __reduce__(self) -> tuple[Callable[[str, _Known], WebServers], tuple[str, _Known]]:
        """Become, in a worker process, the one of these tables there: each task brings their files anew."""
        ages = {server: self._clock() - asked for server, asked in self._asked.items()}
        return _joined, (self._name, _Known(frozenset(self._answered), dict(self._silent), ages))

    def join(self, known: _Known) -> None:
        """Add what another process knows of servers of which nothing is known here."""
        for server in known.silent.keys() - self._silent.keys():
            self._silent[server] = known.silent[server]
            self._asked[server] = self._clock() - known.ages[server]
        self._answered |= known.answered
        for server in self._answered:
            self._forget(server)

    def is_out_of_reach(self, url: str) -> bool:
        """Return whether the server of a URL has answered for no file of so many, the last one just now."""
        server = server_of(url)
        return self._silent[server] >= _PATIENCE and self._clock() < self._asked[server] + _PAUSE

    def answers(self, url: str) -> None:
        """Note that the server of a URL has answered, whatever it said."""
        self._answered.add(server_of(url))
        self._forget(server_of(url))

    def is_silent(self, url: str, why: str) -> None:
        """Note that the server of a URL has not answered; say so once it is taken to be out of reach."""
        server = server_of(url)
        if server in self._answered:
            return
        self._silent[server] += 1
        self._asked[server] = self._clock()
        if self._silent[server] == _PATIENCE and parent_process() is None:  # one line, whatever the workers
            notice("prep", f"{server} has never answered and is asked once a minute; its files are rejected ({why})")

    def _forget(self, server: str) -> None:
        self._silent.pop(server, None)
        self._asked.pop(server, None)


def was_silent(url: str, error: BaseException | None) -> bool:
    """Return whether a request failed because the server of its URL could not be reached.

    A redirect without end, a body cut short, or a redirect to another server that is out of reach are answers.
    """
    names = {kind.__name__ for kind in type(error).__mro__}  # aiohttp's, which only URLs need
    if not isinstance(error, ConnectionError | TimeoutError | socket.gaierror) and "ClientConnectionError" not in names:
        return False
    host, port = getattr(error, "host", None), getattr(error, "port", None)
    parts = taken_apart(url)
    if host is None or parts is None or "ClientProxyConnectionError" in names:
        return True
    return (host, port) == (parts.hostname, parts.port or _PORTS.get(parts.scheme))


_HERE: dict[str, WebServers] = {}
"""What a worker process knows of the servers of the tables that it works on: those of its last task."""


def _joined(name: str, known: _Known) -> WebServers:
    if name not in _HERE:
        _HERE.clear()
        _HERE[name] = WebServers(name=name)
    _HERE[name].join(known)
    return _HERE[name]
