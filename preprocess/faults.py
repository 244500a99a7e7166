"""What can be wrong with a record: a fault that is mended and counted, or one that rejects the record.

RecordError            a fault in the data; carries the reason code, the file and what would mend it
"""

from __future__ import annotations


class RecordError(Exception):
    """The record cannot become a sample.

    ``reason`` is a short code that is the same for all records with this fault, ``path`` the file at fault
    (relative to the data set), ``detail`` what was found and what would mend it.
    """

    def __init__(self, reason: str, path: str, detail: str) -> None:
        super().__init__(f"{reason}: {path}: {detail}")
        self.reason = reason
        self.path = path
        self.detail = detail

    def __reduce__(self) -> tuple[type[RecordError], tuple[str, str, str]]:
        return type(self), (self.reason, self.path, self.detail)
