"""Assays of the bench whose readings are taken from pictures: blots, fluorescence, slides of biopsies."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sequela.study.parts import Part, Words

Edition = Literal["2013", "2018", "2023"]
UNITS = ("ug/ml", "ng/ml", "mg/ml", "M", "mM", "uM", "nM", "pM", "")


def spelt(unit: str) -> str:
    """A unit of dose as this package writes it: `µg/mL`, `mcg/ml`, `mg/l`, `nmol/l` and their like; else unchanged."""
    text = re.sub("[µμ]", "u", unit.strip())
    if text in UNITS:
        return text
    low = text.lower().replace("mcg", "ug").replace("litre", "l").replace(" per ", "/").replace(" ", "")
    mass = re.sub(r"^(m|u)?g/l$", lambda found: {"m": "ug/ml", "u": "ng/ml", None: "mg/ml"}[found[1]], low)
    molar = re.sub(r"^([munp]?)mol/l$", r"\1M", mass)
    return molar if molar in UNITS else {"um": "uM", "nm": "nM"}.get(molar, unit)


def _spelt(unit: object) -> object:
    return spelt(unit) if isinstance(unit, str) else unit


DoseUnit = Annotated[
    Literal["ug/ml", "ng/ml", "mg/ml", "M", "mM", "uM", "nM", "pM", ""], BeforeValidator(_spelt)
]
Vector = tuple[float, float, float]


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
    dose_unit: DoseUnit = Field("", description="of the doses")
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


class Channels(Part):
    """`channels`: which plane of a picture with several holds what, counted from 1."""

    nuclear: int = Field(ge=1, description="the nuclear stain")
    target: int = Field(ge=1, description="the protein that is localised")
    marker: int | None = Field(None, ge=1, description="a stain that fills cells")


class Fluorescence(_Dosed):
    """`[assays.NAME]` with `kind = "immunofluorescence"`: a table of fields with their pictures, or of cells."""

    kind: Literal["immunofluorescence"] = Field(description="where a stained protein lies in cells")
    target: str = Field("", description="the stained protein, as it is printed")
    channels: Channels | None = Field(
        None, description="planes of the picture in column `picture`, where channels share a file"
    )
    modality: Literal["confocal", "widefield"] = Field("widefield", description="how it was taken")
    pixel_um: float | None = Field(None, gt=0, description="size of a pixel in micrometres")
    nucleus_um: float | None = Field(
        None, gt=0, description="diameter of a usual nucleus in micrometres; needs `pixel_um`"
    )
    nucleus_pixels: float | None = Field(None, gt=0, description="the same in pixels")
    blur_pixels: float | None = Field(
        None, gt=0, description="of the microscope, from beads; found from the cells of all fields by default"
    )
    ground: float | None = Field(
        None, ge=0, description="signal without cells (secondary only); the median outside cells by default"
    )


class Slides(_Rows):
    """`[assays.NAME]` with `kind = "ihc"`: biopsies before and after, as the pathologist read them."""

    kind: Literal["ihc"] = Field(description="biopsies: one row a patient and time")
    edition: Edition = Field("2018", description="of the ASCO/CAP table by which HER2 is called")
    vectors: tuple[Vector, Vector] | None = Field(
        None,
        description="of pictures: OD of haematoxylin and of DAB in red, green and blue; published ones by default",
    )
    positive_od: float = Field(
        0.3,
        gt=0,
        description="of pictures: DAB from this optical density on is positive; of the batch, with its controls",
    )
    pixel_um: float | None = Field(None, gt=0, description="size of a pixel of the pictures in micrometres")
    cuts_od: Vector | None = Field(
        None,
        description="of pictures: OD of a membrane above its cell from which it is faint, moderate, intense",
    )
    nucleus_um: float | None = Field(None, gt=0, description="diameter of a usual nucleus; needs `pixel_um`")
    nucleus_pixels: float | None = Field(None, gt=0, description="the same in pixels")
