"""UserError, what becomes one, and the tree of all exceptions of the project with what becomes of each.

Exception
├── UserError              a mistake of the user's: one line on stderr, exit code 2
│   └── DamagedError       train/data: a sample that cannot be read; counted, the next sound one takes its place
├── RecordError            preprocess: a fault of a record; a line of rejects.jsonl (annotate: review.csv), no exit
├── RejectLimitError       preprocess: more rejects than --max-reject-rate; one line, exit code 1, whole shards are kept
├── GivenUpError           preprocess: how a worker gives up its shard then; the build raises RejectLimitError
├── Diverged               train: the loss stayed not finite; one line, exit code 1, the last whole checkpoint is kept
├── Elsewhere              train: another rank failed and says why; exit code 2 without a line
├── Stopped                train: a validation was interrupted; caught there, the run ends after saving
├── DamagedError           train/runs: a checkpoint that is not whole; the one before it is loaded, or UserError
├── PrepError              train: a `prep` command failed; its exit code (serving: its last line is the reply)
├── QueueFullError         train/serving: too many requests wait; HTTP 503
├── UnwantedError          train/serving: a request was cancelled; its sampling ends, nothing is shown
└── ValueError
    └── DrawnDataError     preprocess/synthetic: a drawing that cannot be made; the command raises UserError

What else ends a program (common/program.py): an OSError of the file system is one line and exit code 2, an interruption
is 130, and any other exception is a bug: one line that asks for a report, exit code 1, the traceback with --traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


class UserError(Exception):
    """What the user can fix: the message says what is wrong, where, and what to do."""


@contextmanager
def writing(what: str | Path) -> Iterator[None]:
    """Raise UserError for what the file system refuses in the block, where ``what`` (`--out samples`) is written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what}: {reason(error)}; {advice(error)}") from error


def reason(error: OSError) -> str:
    """Return the errno's text, and the file that it is about."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{text} ({error.filename})" if error.filename else text


def advice(error: OSError) -> str:
    """Return what to do about it."""
    if error.errno in _FULL:
        return "free some space there or give another folder, and run the same command again"
    return "give a folder that can be written to"
