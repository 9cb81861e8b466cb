"""OMOP common data model: one table, from CSV or Parquet files or from a DuckDB file, with names for its concepts.

Beside its own columns a table has those that the vocabulary gives: for `gender_concept_id` the name as
`gender_concept`, for `drug_concept_id` also the ingredients as `ingredient` (several joined by ` + `), and for
`person` the day of birth as `birth`, as exact as it is known. Ingredients come from `concept_ancestor`, else from
`drug_strength`, else the drug's own name stands. Fields: https://ohdsi.github.io/CommonDataModel/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.records.frames import as_rows, beside_file, no_table, read_duckdb
from sequela.records.raw import Raw
from sequela.records.splitting import no_column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sequela.records.source import Source

INGREDIENT: Final = "ingredient"
BIRTH: Final = "birth"
_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".tsv", ".txt")
_PARTS: Final = ("year_of_birth", "month_of_birth", "day_of_birth")


def read_omop(source: Source, path: Path, wanted: tuple[str, ...], base: Path) -> Raw:
    """The wanted columns of a table, those of the vocabulary among them.

    Raises:
        DataError: R102 no rows; R103 damaged; R107 no such column; R114 no such table; R116 names are asked
            for and there is no concept table.
        UsageError: R113, DuckDB is not installed.
    """
    store = _Store(source, path, base)
    table = (source.table or path.name.split(".")[0]).lower()
    frame = store.read(table)
    if frame is None:
        raise no_table(source, path, "table", table, [path.name])
    columns: list[pl.Series] = []
    findings: list[Finding] = []
    for name in wanted:
        if name in frame.columns:
            columns.append(frame[name])
        elif name == BIRTH and "year_of_birth" in frame.columns:
            columns.append(_birth(frame))
        elif (code := _coded(name, frame)) is not None:
            words, unknown = _names(store, path, frame[code], ingredients=name == INGREDIENT)
            columns.append(words.alias(name))
            findings += unknown
        else:
            raise DataError(no_column(source, path, [*frame.columns, *_offered(frame)], name))
    rows = as_rows(source, path, pl.DataFrame(columns))
    return Raw(rows, tuple(findings), sha256=dict.fromkeys(store.beside, ""))


def names_of(source: Source, path: Path, base: Path) -> list[str]:
    """The columns of a table, and those that the vocabulary gives where there is one."""
    store = _Store(source, path, base)
    frame = store.read((source.table or path.name.split(".")[0]).lower())
    if frame is None:
        return []
    offered = _offered(frame) if store.read("concept") is not None else []
    return [*frame.columns, *(name for name in offered if name not in frame.columns)]


def _coded(name: str, frame: pl.DataFrame) -> str | None:
    """The column of concept ids behind a name that is asked for."""
    code = "drug_concept_id" if name == INGREDIENT else f"{name}_id"
    named = name == INGREDIENT or name.endswith("_concept")
    return code if named and code in frame.columns else None


def _offered(frame: pl.DataFrame) -> list[str]:
    names = [name.removesuffix("_id") for name in frame.columns if name.endswith("_concept_id")]
    return [*names, *([INGREDIENT] if "drug_concept_id" in frame.columns else []),
            *([BIRTH] if "year_of_birth" in frame.columns else [])]  # fmt: skip


class _Store:
    """The tables of one data set: files in a directory, or tables of one DuckDB file."""

    def __init__(self, source: Source, path: Path, base: Path) -> None:
        self.source, self.path = source, path
        self.database = path.suffix.lower() in (".duckdb", ".db")
        self.concepts = beside_file(source, base, "the concept table of the vocabulary")
        self.beside: list[Path] = []

    def read(self, table: str) -> pl.DataFrame | None:
        """A whole table with names in lower case; None where the data set does not have it."""
        if self.database:
            try:
                frame = read_duckdb(self.source, self.path, table, None)
            except DataError as fault:
                if (
                    table in ("concept", "concept_ancestor", "drug_strength")
                    and fault.findings[0].code == "R114"
                ):
                    return None
                raise
            return frame.rename(str.lower)
        path = self._file(table)
        if path is None:
            return None
        if path != self.path:
            self.beside.append(path)
        return _read_file(path).rename(str.lower)

    def _file(self, table: str) -> Path | None:
        if table == "concept" and self.concepts is not None:
            return self.concepts
        if table == (self.source.table or self.path.name.split(".")[0]).lower():
            return self.path
        folder = self.concepts.parent if self.concepts else self.path.parent
        names = {f"{table}{suffix}" for suffix in _SUFFIXES}
        return next((file for file in sorted(folder.iterdir()) if file.name.lower() in names), None)


def _read_file(path: Path) -> pl.DataFrame:
    """A CSV file (comma, or tab as Athena writes), or a Parquet file."""
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path)
        head = pl.read_csv(path, n_rows=0, separator="\n", quote_char=None, infer_schema=False).columns[0]
        if "\t" in head:
            return pl.read_csv(path, separator="\t", quote_char=None, infer_schema=False)
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as fault:
        found = (str(fault).splitlines() or [""])[0][:200]
        message, remedy = "the table cannot be read", "export the table again"
        raise DataError(
            Finding("R103", "error", message, Where(str(path)), found, "CSV or Parquet", remedy)
        ) from None


def _birth(frame: pl.DataFrame) -> pl.Series:
    """The date of birth as exact as it is known: year, month or day."""
    known = [pl.col(part).cast(pl.String).str.strip_chars() for part in _PARTS if part in frame.columns]
    filled = [pl.when(part != "").then(part) for part in known]
    padded = [filled[0], *(part.str.zfill(2) for part in filled[1:])]
    whole = pl.concat_str(padded, separator="-") if len(padded) == 3 else pl.lit(None, pl.String)
    month = pl.concat_str(padded[:2], separator="-") if len(padded) > 1 else pl.lit(None, pl.String)
    return frame.select(pl.coalesce(whole, month, padded[0]).alias(BIRTH))[BIRTH]


def _names(
    store: _Store, path: Path, codes: pl.Series, *, ingredients: bool
) -> tuple[pl.Series, list[Finding]]:
    """The name of each concept; ids that the vocabulary does not have are listed, once each, with their rows."""
    ids = codes.cast(pl.String).str.strip_chars()
    used = ids.drop_nulls().unique().to_list()
    concept = store.read("concept")
    if concept is None:
        raise DataError(
            Finding(
                "R116", "error", "names of concepts are asked for, and there is no concept table",
                Where(str(path)), allowed="a table `concept` beside the others, or under `dictionary`",
                remedy="download the vocabulary (https://athena.ohdsi.org), or read the concept ids",
            )
        )  # fmt: skip
    named = _texts(concept, ("concept_id", "concept_name", "concept_class_id"))
    labels = dict(
        named.filter(pl.col("concept_id").is_in(used)).select("concept_id", "concept_name").iter_rows()
    )
    if ingredients:
        labels |= _ingredients(store, named, used)
    unknown = ids.is_not_null() & ~ids.is_in([*labels, "", "0"])
    words = ids.replace_strict(labels, default=None, return_dtype=pl.String)
    return words, _unknown(path, codes.name, ids, unknown)


def _texts(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(pl.String).str.strip_chars() for name in names)


def _ingredients(store: _Store, concept: pl.DataFrame, used: list[str]) -> dict[str, str]:
    """For each drug the names of its ingredients, in the order of the alphabet, joined by ` + `."""
    known = concept.filter(pl.col("concept_class_id") == "Ingredient").select("concept_id", "concept_name")
    for table, drug, part in (
        ("concept_ancestor", "descendant_concept_id", "ancestor_concept_id"),
        ("drug_strength", "drug_concept_id", "ingredient_concept_id"),
    ):
        frame = store.read(table)
        if frame is None:
            continue
        pairs = _texts(frame, (drug, part)).filter(pl.col(drug).is_in(used))
        named = pairs.join(known, left_on=part, right_on="concept_id").sort("concept_name")
        joined = named.group_by(drug).agg(pl.col("concept_name").unique(maintain_order=True).str.join(" + "))
        return dict(joined.iter_rows())
    return {}


def _unknown(path: Path, name: str, ids: pl.Series, unknown: pl.Series) -> list[Finding]:
    rows = pl.DataFrame({"id": ids, "row": range(1, len(ids) + 1)}).filter(unknown)
    counted = rows.group_by("id", maintain_order=True).agg(pl.col("row").first(), pl.len())
    return [
        Finding(
            "R211", "error", f"the concept is not in the concept table; {count} rows have it",
            Where(str(path), row, name), code, "a concept_id of the vocabulary",
            "download the vocabulary again with all that the data use",
        )
        for code, row, count in counted.iter_rows()
    ]  # fmt: skip
