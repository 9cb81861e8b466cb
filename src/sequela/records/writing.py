"""Writing that leaves nothing half done: aside first, then one rename."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    import polars as pl


def _aside(path: Path) -> Path:
    """A name beside `path`, on the same disk, that nothing has yet."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}")


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step; on any failure the old file stays.

    Raises:
        OSError: the directory does not exist or cannot be written.
    """
    path = path.resolve()
    aside = _aside(path)
    try:
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextmanager
def replace_directory(path: Path) -> Generator[Path]:
    """A directory to fill beside `path`; it takes the place of `path` only when the block ends well.

    An error or Ctrl-C removes the directory aside and leaves what stood at `path` as it was.

    Raises:
        NotADirectoryError: `path` is a file.
        OSError: the place beside `path` cannot be written.
    """
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file, not a directory")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    try:
        aside.mkdir()
        yield aside
        _swap(aside, path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _swap(aside: Path, path: Path) -> None:
    """Put `aside` in the place of `path`; if that fails, `path` is as it was."""
    if not path.exists():
        aside.rename(path)
        return
    was = _aside(path)
    path.rename(was)
    try:
        aside.rename(path)
    except BaseException:
        was.rename(path)
        raise
    shutil.rmtree(was, ignore_errors=True)


def write_xpt(frame: pl.DataFrame, path: Path, name: str, title: str, labels: Mapping[str, str]) -> None:
    """Write a SAS transport file, version 5, that equal frames make equal to the byte.

    Args:
        frame: columns of text, numbers and dates, with names of at most eight characters.
        path: the file.
        name: of the dataset, at most eight characters.
        title: its label, cut to 40 characters.
        labels: of the columns, cut to 40 characters.

    Raises:
        OSError: the file cannot be written.
    """
    import pyreadstat

    short: dict[str, str | None] = {column: labels.get(column, column)[:40] for column in frame.columns}
    pyreadstat.write_xport(
        frame,  # pyright: ignore[reportArgumentType]  # its protocol of a frame is narrower than what it takes
        path,
        file_label=title[:40],
        column_labels=short,
        table_name=name,
        file_format_version=5,
    )
    # The header holds the time of writing four times: the SAS epoch stands there instead.
    head, rest = path.read_bytes()[:1600], path.read_bytes()[1600:]
    path.write_bytes(re.sub(rb"\d\d[A-Z]{3}\d\d:\d\d:\d\d:\d\d", b"01JAN60:00:00:00", head) + rest)
