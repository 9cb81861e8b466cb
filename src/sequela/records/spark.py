"""Rows of each patient brought together on Spark, and handed to Python in whole (extra `spark`: pyspark, Java 17)."""

# pyright: reportMissingImports=false
# (pyspark is large, and is not installed where types are checked)

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.core.errors import DataError, UsageError
from sequela.core.finding import Finding
from sequela.records.frames import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

ROWS: Final = 500_000  # handed to Python at a time, about


def require_spark() -> None:
    """See that Spark can be started here.

    Raises:
        UsageError: R113, pyspark is not installed; R117, there is no Java.
    """
    if find_spec("pyspark") is None:
        raise needs("pyspark", "spark", 'engine = "spark"')
    home = os.environ.get("JAVA_HOME")
    java = Path(home) / "bin" / "java" if home else shutil.which("java")
    if java is None or not Path(java).is_file():
        raise UsageError(
            Finding(
                "R117", "error", "Spark needs Java, and there is none",
                found=f"JAVA_HOME = {home}" if home else "no `java` on the PATH, and JAVA_HOME is not set",
                allowed="Java 17 or newer", remedy="install Java (openjdk-17-jre-headless on Debian), or set JAVA_HOME",
            )
        )  # fmt: skip


def session() -> Any:
    """The running Spark session, or a new one as Spark's own configuration asks; on this machine where it asks nothing.

    Raises:
        UsageError: Spark cannot be started, see `require_spark`.
        DataError: R118, Spark says no.
    """
    require_spark()
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    with answering():
        # One thread for each worker: Spark starts as many workers as there are cores.
        made = SparkSession.builder.appName("sequela").config("spark.executorEnv.POLARS_MAX_THREADS", "1")
        started = made.getOrCreate()
    context: Any = started.sparkContext
    if context.master.startswith("local") and "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = sys.executable
    return started


@contextmanager
def answering() -> Generator[None]:
    """What Spark refuses or cannot do, as a finding.

    Raises:
        DataError: R118.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as fault:
        said = str(fault)
        lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("\tat ")]
        # Where a worker failed, the last line of its traceback says what of.
        told = next((line for line in reversed(lines) if _names_error(line)), lines[0] if lines else said)
        remedy = "look at Spark's own messages above this one"
        if "No module named" in said:
            remedy = "install Sequela with the extra `spark` in the Python of Spark's workers"
        raise DataError(
            Finding("R118", "error", "Spark could not do it", found=told[:300], remedy=remedy)
        ) from fault


def _names_error(line: str) -> bool:
    name = line.partition(":")[0]
    return name.endswith("Error") and " " not in name


def by_patient(
    frame: Any,
    order: Sequence[str],
    made: Callable[[pl.DataFrame], pl.DataFrame],
    schema: Mapping[str, str],
) -> Any:
    """What `made` makes of every patient's rows, as a Spark frame; nothing is computed yet.

    All rows of a patient go to one worker and are sorted there; `made` is given some thousand patients at a time, each
    with all of its rows, so a worker's memory does not depend on the number of patients.

    Args:
        frame: a Spark frame with a column `patient` without nulls.
        order: the columns that a patient's rows are sorted by.
        made: sent to the workers, where Sequela is installed as well.
        schema: what `made` returns: column = Spark's name of its type (string, int, bigint, array<string>).
    """
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "int": pa.int32(),
        "bigint": pa.int64(),
        "array<string>": pa.list_(pa.string()),
    }
    wanted = pa.schema([(name, kinds[kind]) for name, kind in schema.items()])

    def work(batches: Iterable[Any]) -> Iterator[Any]:
        frames = (pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch]))) for batch in batches)
        for rows in whole_patients(frames):
            yield from made(rows).select(wanted.names).to_arrow().cast(wanted).to_batches()

    sorted_rows = frame.repartition("patient").sortWithinPartitions("patient", *order)
    return sorted_rows.mapInArrow(work, ", ".join(f"`{name}` {kind}" for name, kind in schema.items()))


def whole_patients(frames: Iterable[pl.DataFrame], rows: int = ROWS) -> Iterator[pl.DataFrame]:
    """Rows sorted by `patient`, about `rows` at a time, cut only between two patients."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        if sum(one.height for one in held) < rows:
            continue
        whole = pl.concat(held)
        last = (whole["patient"] == whole["patient"][-1]).sum()
        if last < whole.height:
            yield whole[: whole.height - last]
        held = [whole[whole.height - last :]]
    if sum(one.height for one in held):
        yield pl.concat(held)
