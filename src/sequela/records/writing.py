"""Writing that leaves nothing half done: aside first, then one rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step; on any failure the old file stays.

    Raises:
        OSError: the directory does not exist or cannot be written.
    """
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o666 & ~_umask())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def replace_directory(path: Path) -> Generator[Path]:
    """A directory to fill beside `path`; it takes the place of `path` only when the block ends well.

    An error or Ctrl-C removes the directory aside and leaves what stood at `path` as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        aside.chmod(0o777 & ~_umask())
        yield aside
        _swap(aside, path)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _swap(aside: Path, path: Path) -> None:
    if not path.exists():
        aside.rename(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    path.replace(old / "was")
    try:
        aside.rename(path)
    except BaseException:
        (old / "was").replace(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
