"""Processes of one run, forked from this one instead of started by torchrun, which takes seconds."""

import json
import os
import signal
import socket
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from train.hardware.world import World, join


def run_group(size: int, action: Callable[[World], Any], seconds: int = 60) -> list[Any]:
    """Call the action in each process of an FSDP run; return their results in order of ranks, None if killed.

    Only for a process that has not computed anything yet. What the action returns must be JSON; it may not be None.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        pids = []
        for rank in range(size):
            pid = os.fork()
            if not pid:
                signal.alarm(seconds)
                os._exit(_member(rank, size, port, action, Path(folder, str(rank))))
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        results = [Path(folder, str(rank)) for rank in range(size)]
        return [json.loads(path.read_text()) if path.exists() else None for path in results]


def _member(rank: int, size: int, port: int, action: Callable[[World], Any], result: Path) -> int:
    variables = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()}, MASTER_ADDR="127.0.0.1")
    try:
        with join("fsdp") as world:
            text = json.dumps(action(world))
    except BaseException:
        text = json.dumps(traceback.format_exc())
    result.write_text(text)
    return 0
