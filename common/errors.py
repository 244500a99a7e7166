"""UserError, and the project's exception hierarchy with how each exception is handled.

Exception
├── UserError               the user's mistake: one line on stderr, exit code 2
│   ├── DamagedSampleError  train/data: an unreadable sample; counted, and replaced by the next readable one
│   └── NotReadyError       train/serving: something that the server needs is missing; HTTP 503
├── RecordError             preprocess: a fault of a record; a line of rejects.jsonl (annotate: review.csv)
├── _UnusableRowError       preprocess/sources/tables: a row that cannot be read; it is counted and named
├── _UnknownReleaseError    preprocess/annotation: what is left of a download may be of another file; fetched anew
├── RejectLimitError        preprocess: more rejects than --max-reject-rate; one line, exit code 1, shards are kept
├── ShardAbandonedError     preprocess: a worker abandons its shard for that reason; the build raises RejectLimitError
├── Diverged                train: the loss stayed non-finite; one line, exit code 1, the last good checkpoint is kept
├── PeerFailed              train: another rank failed and says why; exit code 2 without a line
├── Stopped                 train: a validation was interrupted; caught there, the run ends after saving
├── DamagedCheckpointError  train/runs: an incomplete checkpoint; the one before it is loaded, or UserError
├── PrepError               train: a `prep` command failed; its exit code (serving: its last line is the reply)
├── QueueFullError          train/serving: too many requests wait; HTTP 503
├── JobCancelledError       train/serving: a request was cancelled; its sampling stops, nothing is shown
└── ValueError
    ├── DrawnDataError      preprocess/synthetic: a drawing that cannot be made; the command raises UserError
    └── UnreadableImageError  common/imaging: not a usable photograph; RecordError in preprocess, UserError in train

Other ways a program ends (common/program.py): an OSError of the file system is one line and exit code 2, an
interruption is exit code 130, SIGTERM is 143, and any other exception is a bug: one line that asks for a report, exit
code 1, the traceback with --traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


class UserError(Exception):
    """An error that the user can fix; the message states what is wrong, where, and what to do."""


@contextmanager
def writing(what: str | Path) -> Iterator[None]:
    """Turn an OSError raised in the block into a UserError; ``what`` (`--out samples`) is what the block writes."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{what}: {reason(error)}; {advice(error)}") from error


def said(error: OSError) -> str:
    """Return the error's text without the file it concerns, for messages that name it."""
    return error.strerror or str(error) or type(error).__name__


def reason(error: OSError) -> str:
    """Return the error's text and the file it concerns."""
    text = said(error)
    return f"{text} ({error.filename})" if error.filename else text


def advice(error: OSError) -> str:
    """Return what the user can do about the error."""
    if error.errno in _FULL:
        return "free some space there or give another folder, and run the same command again"
    return "give a folder that can be written to"
