"""Rows of files larger than memory, a part of the patients at a time: read in batches, spilled by the patient's hash.

Needs pyarrow (extra `big`). Memory depends on the size of a batch and of a bucket, not on that of the files.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.frames import needs

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

BATCH: Final = 1_000_000  # rows read at a time
BUCKET: Final = 4_000_000  # rows that a bucket holds, about
BYTES: Final = 24  # of a row of text, about: for the number of buckets of files that do not say their rows


def batches(
    files: Sequence[Path], columns: Mapping[str, str], words: Sequence[str] = ()
) -> Generator[pl.DataFrame]:
    """The rows of Parquet or CSV files, `BATCH` at a time, in order.

    Args:
        files: of one format, by suffix (.parquet, .csv, .tsv).
        columns: our name = the file's; only these are read.
        words: our names of columns with few distinct words: read as categories.

    Raises:
        UsageError: R113, pyarrow is not installed.
        DataError: a file is missing (R101), cannot be read (R103), or lacks a column (R107).
    """
    pa, text, data = _arrow()
    encoded = [columns[name] for name in words]
    kinds = {name: pa.dictionary(pa.int32(), pa.string()) for name in encoded}
    form: Any = data.ParquetFileFormat(dictionary_columns=encoded)
    if files[0].suffix != ".parquet":
        delimiter = "\t" if files[0].suffix in (".tsv", ".tab", ".txt") else ","
        form = data.CsvFileFormat(
            text.ParseOptions(delimiter=delimiter),
            convert_options=text.ConvertOptions(column_types=kinds, strings_can_be_null=True),
        )
    with _reading(files, pa.ArrowInvalid):
        source = data.dataset([str(path) for path in files], format=form)
        require_columns(str(files[0]), source.schema.names, columns)
        stream = source.to_batches(
            columns=list(columns.values()), batch_size=BATCH, batch_readahead=2, fragment_readahead=1
        )
        for batch in _gathered(stream):
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batch)))
            yield frame.rename({theirs: ours for ours, theirs in columns.items()})


def _arrow() -> tuple[Any, Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.csv as text
        import pyarrow.dataset as data
    except ImportError:
        raise needs("pyarrow", "big", "files read in batches") from None
    return pa, text, data


@contextmanager
def _reading(files: Sequence[Path], broken: type[Exception]) -> Generator[None]:
    """What stops the reading, as a finding."""
    try:
        yield
    except FileNotFoundError:
        absent = next((path for path in files if not path.is_file()), files[0])
        raise DataError(
            Finding("R101", "error", "the file does not exist", Where(str(absent)), remedy="give its path")
        ) from None
    except broken as fault:
        said, place = str(fault).splitlines()[0][:200], Where(str(files[0]))
        raise DataError(
            Finding("R103", "error", "the file cannot be read", place, said, remedy="write the file again")
        ) from fault


def _gathered(stream: Iterable[Any]) -> Iterator[list[Any]]:
    """Small batches together, until they hold about `BATCH` rows."""
    held: list[Any] = []
    for batch in stream:
        held.append(batch)
        if sum(one.num_rows for one in held) >= BATCH // 2:
            yield held
            held = []
    if sum(one.num_rows for one in held):
        yield held


def require_columns(place: str, names: Sequence[str], columns: Mapping[str, str]) -> None:
    """See that the columns that are read are there.

    Raises:
        DataError: R107, one is not.
    """
    absent = [theirs for theirs in columns.values() if theirs not in names]
    if absent:
        raise DataError(
            Finding(
                "R107", "error", f"the file has no column {', '.join(map(repr, absent))}", Where(place),
                ", ".join(names), "the columns of patient, drug, start and end", "name the file's own columns",
            )
        )  # fmt: skip


def how_many(files: Sequence[Path]) -> int:
    """Into how many buckets the rows of these files go, `BUCKET` rows each."""
    pa, _, data = _arrow()
    with _reading(files, pa.ArrowInvalid):
        rows = sum(
            data.dataset(path).count_rows() if path.suffix == ".parquet" else path.stat().st_size // BYTES
            for path in files
        )
    return max(1, -(-rows // BUCKET))


def spilled(frames: Iterable[pl.DataFrame], by: str, buckets: int, directory: Path) -> dict[int, Path]:
    """Put rows down in `directory`, all rows of one value of `by` in one file, in their order.

    Args:
        frames: the rows; all frames have the same columns.
        by: the column whose hash chooses the bucket: the same in every call where its type is the same.
        buckets: how many.
        directory: an empty one.

    Returns:
        The file of each bucket that has rows; `polars.read_ipc_stream` reads it.
    """
    import pyarrow as pa

    kind = np.uint8 if buckets <= 2**8 else np.uint16  # small whole numbers are sorted in one pass
    places: dict[int, Path] = {}
    writers: dict[int, Any] = {}
    with ExitStack() as opened:
        for frame in frames:
            bucket = (frame[by].hash() % buckets).to_numpy().astype(kind)
            table = frame[np.argsort(bucket, kind="stable")].to_arrow()
            size = np.bincount(bucket, minlength=buckets)
            first = np.cumsum(size) - size
            for at in np.flatnonzero(size).tolist():
                if at not in writers:
                    places[at] = directory / f"{at}.arrow"
                    writers[at] = opened.enter_context(pa.ipc.new_stream(places[at], table.schema))
                writers[at].write_table(table.slice(int(first[at]), int(size[at])))
    return dict(sorted(places.items()))


class Growing:
    """A Parquet file written part by part; it takes its place when it is kept, and leaves nothing when it is not."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._new = path.with_name(f".{path.name}.new")
        self._writer: Any = None

    def __enter__(self) -> Growing:
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows; every part has the same columns."""
        import pyarrow.parquet as pq

        table = frame.to_arrow()
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._new, table.schema, compression="zstd", write_statistics=False
            )
        self._writer.write_table(table)
        self.rows += frame.height

    def keep(self) -> None:
        """Put the file in its place."""
        self._writer.close()
        self._new.replace(self.path)

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._new.unlink(missing_ok=True)
