"""Bytes of a text file to text: unpacking and decoding."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.records.source import Source

AGAIN: Final = "copy or export the file again"
_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def text_of(source: Source, path: Path) -> str:
    """The text of a file, packed or not, in the source's encoding.

    Raises:
        DataError: R103 the packed file is damaged; R104 another encoding.
    """
    return _decode(source, path, _unpack(path, path.read_bytes()))


def _unpack(path: Path, data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        message = "the compressed file is cut short or damaged"
        raise DataError(
            Finding("R103", "error", message, Where(str(path)), str(fault), "a whole gzip file", AGAIN)
        ) from None


def _decode(source: Source, path: Path, data: bytes) -> str:
    encoding = "utf-8-sig" if source.encoding.lower() in ("utf-8", "utf8") else source.encoding
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as fault:
        raise DataError(_undecoded(source, path, data, fault)) from None
    except LookupError:
        message, remedy = (
            f"there is no encoding `{encoding}`",
            f"mend `encoding` under [sources.{source.name}]",
        )
        allowed = "utf-8, cp1252, latin-1, utf-16, …"
        raise DataError(
            Finding("R104", "error", message, Where(str(path)), allowed=allowed, remedy=remedy)
        ) from None


def _undecoded(source: Source, path: Path, data: bytes, fault: UnicodeDecodeError) -> Finding:
    mark = _MARKS.get(data[:2])
    likely = f'encoding = "{mark}"' if mark else 'encoding = "cp1252" (Windows) or "latin-1"'
    return Finding(
        "R104", "error", f"the file is not {source.encoding} text",
        Where(str(path), data[: fault.start].count(b"\n") + 1),
        found=f"byte 0x{data[fault.start]:02x} at position {fault.start}", allowed=source.encoding,
        remedy=f"save the file as UTF-8, or say {likely} under [sources.{source.name}]",
    )  # fmt: skip
