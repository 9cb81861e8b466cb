"""Assays of the bench whose readings are taken from pictures: blots."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sequela.study.parts import Part, Words


class _Rows(Part):
    """What the assays share whose rows stand in a table, with the pictures that it names."""

    label: str = Field("", description="as it is printed")
    method: str = Field("", description="how it was done, in a word or two")
    file: Words = Field(description="table beside the study file, or several; `*` is allowed")
    format: Literal["csv", "tsv", "parquet", "xlsx"] | None = Field(
        None, description="by the file's suffix unless said"
    )
    sheet: str | None = Field(None, description="of an Excel file; its first unless said")
    delimiter: str | None = Field(None, description="between the cells; by the format unless said")
    encoding: str = Field("utf-8", description="of a text file")
    columns: dict[str, str] = Field({}, description="our field = the file's column, where the names differ")
    unit: str = Field("", description="of the values as read")
    simulated: bool = Field(False, description="invented measurements: said on every table and figure of it")


class _Dosed(_Rows):
    """What assays share that may read cultures under a dose."""

    agent: str | None = Field(None, description="what is dosed, where the rows do not say so")
    dose_unit: Literal["ug/ml", "ng/ml", "mg/ml", "M", "mM", "uM", "nM", "pM", ""] = Field(
        "", description="of the doses"
    )
    hours: float | None = Field(None, gt=0, description="of exposure, where the rows do not say so")
    ceiling: float | None = Field(
        None, gt=0, description="largest value of the camera, where the file could hold more"
    )


class Blot(_Dosed):
    """`[assays.NAME]` with `kind = "blot"`: a table of bands, or of lanes with the picture of each."""

    kind: Literal["blot"] = Field(description="western blots and gels")
    bands: Words = Field(
        default=(), description="targets from top to bottom of every picture, where the rows have no `target`"
    )
    lanes: int | None = Field(
        None, gt=0, description="lanes of each picture; by default the largest number of a lane in the table"
    )
    rows: dict[str, tuple[int, int]] = Field(
        {}, description="target = first and last row of its band in the pictures; looked for by default"
    )
    weights: dict[str, str] = Field({}, description='target = its molecular weight as printed: "185 kDa"')
    dark: bool | None = Field(None, description="bands are darker than the ground; judged unless said")
    loading: str | dict[str, str] | None = Field(
        None,
        description='target that is the loading control, or "total protein"; or fraction = target for fractions',
    )
    phospho: dict[str, str] = Field({}, description="phosphorylated target = its total: adds their ratio")
    nuclear: str | None = Field(None, description="target that marks nuclei, for fractions N and C")
    cytoplasmic: str | None = Field(None, description="target that marks cytoplasm, for fractions N and C")
    membrane: str | None = Field(
        None, description="target that marks plasma membrane in the nuclear fraction"
    )
    between: Literal["common lanes", "as read"] = Field(
        "common lanes",
        description="blots are brought together by the mean of the lanes that all of them have, or not at all",
    )
