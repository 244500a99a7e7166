"""One adapter per kind of dataset; each yields typed Records: file names and ids, no pixels yet."""

from preprocess.sources.files import Files
from preprocess.sources.record import Record

__all__ = ["Files", "Record"]
