"""The files that a table of pairs names: below a folder, at URLs, or in the cells of parquet.

The file in a cell has the path TABLE/ROW/COLUMN, as if the table were a folder. The plan identifies a URL by its text
and a cell by its table's size, so planning makes no request and reads no image.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from common.atomic import write_atomically
from common.errors import UserError
from common.storage.connection import open_url, whole_file, with_retries
from common.text import one_line
from preprocess.faults import Fault, RecordError, Tally
from preprocess.sources.files import Files
from preprocess.sources.packed.archives import Archive, check_size
from preprocess.sources.packed.zips import Member
from preprocess.sources.tables.table_columns import ColumnNames
from preprocess.sources.tables.table_rows import is_parquet, is_url, open_parquet, opened
from preprocess.sources.tables.web_addresses import WEB, taken_apart
from preprocess.sources.tables.web_servers import WebServers, was_silent

SCHEMES = ("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf")
"""Schemes of URLs that a table may name; others, such as file:// or pipe:, could reach files outside the dataset."""
_UNRELIABLE = WEB
"""If an ordinary web server does not answer, its record is rejected and the build goes on."""
_COLUMNS_OPEN = 6
"""Column chunks kept in memory: records are in the order of the rows, and one needs three columns."""
MALFORMED = "a malformed URL; correct the table"
_MISSING_URL = "no such file at the URL; correct the table"


class TableFiles(Files):
    """Read access to what the tables name.

    ``tables`` maps each table's name in paths to its location, ``names`` says which of its columns is which.
    Paths are relative to ``base``, a URL, if one is given, else to a table's own URL, else to ``src``. Files at
    URLs are kept in ``cache``, a local folder, if one is given: they are read once to compare images, and once to
    build.
    """

    def __init__(
        self,
        src: Path,
        tables: Mapping[str, str],
        names: ColumnNames,
        *,
        base: str = "",
        follow_links: bool = False,
        cache: Path | None = None,
    ) -> None:
        super().__init__(src, follow_links=follow_links)
        self.tables = dict(tables)
        self.names = names
        self.base = base
        self._cache = cache
        self._sizes = {name: _size(location) for name, location in tables.items() if is_parquet(location)}
        self._servers = WebServers()
        self._open = _OpenTables()

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs; it opens the tables itself."""
        return {**self.__dict__, "_open": _OpenTables()}

    @property
    def given(self) -> str:
        """Return where the paths of the tables lead, for messages."""
        return self.base or super().given

    def walk(self, tally: Tally | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield nothing: the table, not the folder, says what belongs to the dataset."""
        return iter(())

    def read(self, path: str) -> bytes:
        """Return a file's bytes. Raise RecordError, or UserError if a store cannot be reached."""
        cell = self._cell(path)
        if cell is None:
            return self._named(path)
        data = self._open.read(*cell, path)
        if isinstance(data, str):  # the cell names its file
            return self._named(self.path_of(data, cell[0]))
        check_size(len(data), path)
        return data

    def path_of(self, name: str, location: str) -> str:
        """Return the path of a file that the table at this location names."""
        if is_url(name):
            return name
        base = self.base or (location.rpartition("/")[0] if is_url(location) else "")
        name = name.replace("\\", "/")
        return f"{base}/{name}" if base else below(name, str(self.root))

    def _named(self, path: str) -> bytes:
        if not is_url(path):
            return super().read(path)
        data = self._fetched(path)
        check_size(len(data), path)
        return data

    def _member(self, path: str) -> tuple[Archive, Member] | None:
        """Return the archive and the member of a path.

        It may begin inside the archive if ``src`` is one, and be as after unpacking an archive, all.tar, of a folder
        all: all/a.jpg, not all/all/a.jpg.
        """
        if found := super()._member(path):
            return found
        if self._only:
            return super()._member(f"{self._only}/{path}")
        for archive in self._find_archives():
            if path.startswith(f"{archive.folder}/"):
                unpacked = f"{archive.folder}/{archive.folder.rpartition('/')[2]}{path[len(archive.folder) :]}"
                if member := archive.find(unpacked):
                    return archive, member
        return None

    def stamp(self, path: str) -> tuple[int, ...]:
        """Return what identifies a file's content without reading it; see the module."""
        if cell := self._cell(path):
            return (self._sizes[path.rpartition("/")[0].rpartition("/")[0]], cell[1])
        return (1,) if is_url(path) else super().stamp(path)

    def _cell(self, path: str) -> tuple[str, int, str] | None:
        """Return the location of the table, the row and the column of a path, None if it leads to no cell."""
        table, _, rest = path.rpartition("/")[0].rpartition("/")
        if table not in self._sizes or not rest.isdigit():
            return None
        return self.tables[table], int(rest), path.rpartition("/")[2]

    def _fetched(self, url: str) -> bytes:
        scheme = url.partition("://")[0].lower()
        if scheme not in SCHEMES or "::" in url:
            raise RecordError(Fault.OUTSIDE, url, f"URLs may begin with {', '.join(SCHEMES)}; copy the file")
        if taken_apart(url) is None:
            raise RecordError(Fault.UNREADABLE_FILE, url, MALFORMED)
        kept = self._cache / hashlib.sha256(url.encode()).hexdigest() if self._cache else None
        if kept is not None and kept.is_file():
            return kept.read_bytes()
        if scheme in _UNRELIABLE and self._servers.is_out_of_reach(url):
            raise RecordError(
                Fault.UNREADABLE_FILE, url, "its server has never answered; check the URL and the network"
            )
        try:
            files, path = open_url("--table", url)
            data = bytes(with_retries(url, lambda: files.cat_file(path, **whole_file(files))))
        except FileNotFoundError as error:
            self._servers.answers(url)
            raise RecordError(Fault.UNREADABLE_FILE, url, _MISSING_URL) from error
        except UserError as error:
            if scheme not in _UNRELIABLE or isinstance(error.__cause__, ImportError):
                raise
            if was_silent(url, error.__cause__):
                self._servers.is_silent(url, one_line(error.__cause__))
            else:
                self._servers.answers(url)
            raise RecordError(Fault.UNREADABLE_FILE, url, f"{error}"[:300]) from error
        self._servers.answers(url)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, data)
        return data


def _size(location: str) -> int:
    """Return a table's size in bytes. Raise UserError."""
    with opened(location) as file:
        return file.seek(0, 2)


class _OpenTables:
    """Parquet files that this process has opened, and the chunks of their columns that it read last."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._tables: dict[str, tuple[Any, list[int]]] = {}
        self._chunks: OrderedDict[tuple[str, int, str], Any] = OrderedDict()

    def read(self, location: str, row: int, column: str, path: str) -> bytes | str:
        """Return the bytes in a cell, or the name that it has instead. Raise RecordError if it is empty or damaged."""
        table, starts = self._table(location)
        group = next(number for number in range(len(starts) - 1, -1, -1) if starts[number] <= row)
        key = location, group, column
        if key not in self._chunks:
            fetch = partial(table.read_row_group, group, columns=[column])
            try:
                self._chunks[key] = (with_retries(location, fetch) if is_url(location) else fetch()).column(column)
            except (OSError, ValueError) as error:  # pyarrow's are of these
                detail = f"{one_line(error)}; fetch the table again"
                raise RecordError(Fault.UNREADABLE_FILE, path, detail) from error
            while len(self._chunks) > _COLUMNS_OPEN:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(key)
        value = self._chunks[key][row - starts[group]].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not data and isinstance(value, dict) and value.get("path"):
            return str(value["path"])
        if not data:
            raise RecordError(Fault.UNREADABLE_FILE, path, "an empty cell; fill it, or leave the row out")
        return data.encode() if isinstance(data, str) else bytes(data)

    def _table(self, location: str) -> tuple[Any, list[int]]:
        """Return a table, and the number of the first row of each of its groups."""
        if location not in self._tables:
            table = open_parquet(self._stack.enter_context(opened(location)), location)
            sizes = [table.metadata.row_group(number).num_rows for number in range(table.metadata.num_row_groups)]
            self._tables[location] = table, [sum(sizes[:number]) for number in range(len(sizes))]
        return self._tables[location]


def below(path: str, root: str) -> str:
    """Return a path relative to the folder, if it is absolute and leads into it."""
    if not os.path.isabs(path):  # noqa: PTH117 -- a Path for each cell of a large table takes long
        return os.path.normpath(path) if path.startswith("./") else path
    root = os.path.abspath(root)  # noqa: PTH100
    return os.path.relpath(path, root) if path.startswith(root.rstrip(os.sep) + os.sep) else path


def table_locations(given: tuple[str, ...]) -> list[str]:
    """Return the tables that --table names: files, URLs, patterns of either. Raise UserError if there is none."""
    found: list[str] = []
    for location in given:
        if not any(sign in location for sign in "*?["):
            found.append(location)
            continue
        if is_url(location):
            files, pattern = open_url("--table", location)
            matches = [files.unstrip_protocol(path) for path in with_retries(location, partial(files.glob, pattern))]
        else:
            anchor = Path(location).anchor
            matches = [str(path) for path in Path(anchor).glob(location[len(anchor) :])]
        if not matches:
            raise UserError(f"--table {location}: no table matches it; check the pattern")
        found += sorted(matches)
    for location in found:
        if not is_url(location) and not _is_file(location):
            if os.path.isdir(location):  # noqa: PTH112 -- a name that is too long is no folder
                raise UserError(f"--table {location}: a folder; give a pattern, such as '{location}/*.parquet'")
            raise UserError(f"--table {location}: no such file; give a .csv, .tsv, .jsonl or .parquet file")
    return list(dict.fromkeys(found))


def _is_file(location: str) -> bool:
    try:
        return stat.S_ISREG(Path(location).stat().st_mode)
    except OSError:
        return False
