"""What every part of a study file shares, and the parts that every study has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from sequela.core.units import Unit  # noqa: TC001  (pydantic reads it)
from sequela.study.expressions import ExpressionError, parse


class Part(BaseModel):
    """A part of the study file: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _parse(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ExpressionError as fault:
        raise ValueError(f"{fault.message}\n{fault.pointer()}") from None


Expression = Annotated[
    Any,
    BeforeValidator(_parse),
    WithJsonSchema({"type": "string", "description": "an expression over variables, anchors and lines"}),
]


def _tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_tuple),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class About(Part):
    """`[study]`: what is asked, on which clock."""

    title: str = Field(description="stands on the first page")
    question: str = Field(description="one sentence, as a reader would ask it")
    identifier: str | None = Field(None, description="STUDYID of the ADTTE file; by default the title")
    wing: Literal["clinic", "bench"] = Field(
        "clinic", description="patients, or cultures: a study of the bench has parts of its own"
    )
    time: Literal["dates", "days"] = Field("dates", description="calendar dates, or whole days from `origin`")
    origin: str | None = Field(None, description='the anchor that is day 0 when time = "days"')
    simulated: bool = Field(
        False, description="invented patients: said on every page, figure, table and file"
    )
    attribution: Words = Field(default=(), description="lines that the data's owner asks for")
    data_cut: str | None = Field(None, description="last calendar day that a record may carry, YYYY-MM-DD")


class Report(Part):
    """`[report]`: house style and unit of time."""

    style: Literal["plain", "bmc", "lancet", "nejm", "jama", "jco"] = Field(
        default="plain", description="house style of numbers and p-values"
    )
    time_unit: Unit = Field(default="month", description="of medians and figures")
    variants: bool = Field(
        default=True,
        description="endpoints of a line beside their variants V1 to V7, where two groups are compared",
    )
    multiverse: bool = Field(
        default=False,
        description="the estimates under other rules of lines: every gap and window, and other choices",
    )
    smallest_cell: int = Field(
        default=0,
        ge=0,
        description="a report that may leave the house: counts of people under this are printed as <k, larger ones "
        "rounded to it, lists of patients left out; 0 prints every count as it is",
    )
    adtte_first_day: Literal[0, 1] = Field(
        default=0,
        description="AVAL of the day of origin in the ADTTE file: 0 as in the report, 1 as in trials",
    )


class AnalysisPart(Part):
    """What all analyses share."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="name of its files")
    title: str = Field(description="heading of its table and figure")
    number: str | None = Field(None, description='as printed: "Table 3", "Figure 4a"')
    groups: Words = Field(default=(), description="sequence groups compared; all by default")
    population: str = Field(
        "cohort", description='"cohort", "all" patients, or the name of a cohort criterion'
    )
    where: Expression | None = Field(None, description="a subset of the population")
