"""Rule sets for lines of therapy: data files with a version and a hash."""

from __future__ import annotations

import hashlib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sequela.core.errors import StudyError, UsageError
from sequela.core.finding import Finding, Where


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Regimen(_Part):
    """Drugs first given within the window after the line's first dose make its regimen.

    With `single_dose = "leave out"` a drug that was given for one cycle, beside others that went on, is in no line.
    """

    window_days: int = Field(default=28, ge=0)
    single_dose: Literal["keep", "leave out"] = "keep"


class Gap(_Part):
    """A pause longer than this, from the end of the last dose to the next start, ends a line.

    After it the drugs of the same regimen start a new line; or go on with the same (`restart`), as long as there was no
    progression, or whatever there was.
    """

    days: int = Field(default=120, ge=0)
    exempt_classes: tuple[str, ...] = ()
    restart: Literal["new line", "same line without progression", "same line"] = "new line"


class NewDrug(_Part):
    """A new drug after the window starts a line, unless it replaces a member of its own set.

    With `confirm_cycles` of 2 or more it must be given for so many cycles (its own records from that day on, one more
    for every `cycle_days` that a record lasts); until then it accompanies the open line. A new drug that comes within
    `after_toxicity_days` of a drug's stop for toxicity, without a progression, goes on with the line (0: it does not).
    """

    substitutions: tuple[tuple[str, ...], ...] = Field(default=(), max_length=62)
    confirm_cycles: int = Field(default=1, ge=1)
    cycle_days: int = Field(default=21, ge=1)
    after_toxicity_days: int = Field(default=0, ge=0)


class Adding(_Part):
    """Drugs of these classes that are added to a line which holds one of them: a new line, or the same."""

    classes: tuple[str, ...] = Field(default=(), max_length=62)
    policy: Literal["new line", "same line"] = "new line"


class Progression(_Part):
    """What progression has to do with lines.

    drug: nothing, a new drug decides (the default). pd: only a drug after a progression of the line starts a line, and
    no pause does. and: a new drug starts a line when a progression lies from `before_days` before its start to
    `after_days` after it. or: a new drug starts a line, and so does any drug outside the regimen after a progression.
    The same regimen after a progression stays the same line, unless `same_regimen` says otherwise. A line that goes on
    for more than `beyond_days` after a progression is marked as treatment beyond progression. A progression that is
    treated with one of `local` (radiotherapy, surgery) within `local_days` plays no part.
    """

    mode: Literal["drug", "pd", "and", "or"] = "drug"
    before_days: int = Field(default=60, ge=0)
    after_days: int = Field(default=30, ge=0)
    same_regimen: Literal["same line", "new line"] = "same line"
    beyond_days: int = Field(default=30, ge=0)
    local: tuple[str, ...] = ()
    local_days: int = Field(default=60, ge=0)


class Classes(_Part):
    """Agents or classes."""

    classes: tuple[str, ...] = ()


class Companion(Classes):
    """Agents or classes that accompany a line; given before any line they make none, or one of their own (`alone`)."""

    alone: Literal["no line", "own line"] = "no line"


class Maintenance(_Part):
    """When a drug of the regimen was dropped and the rest went on for at least so many days.

    With `sets` the rest must be agents or classes of one of them. `new_line`: maintenance counts as a line of its own.
    A drug of `switch` that follows a line without a progression is its maintenance, and starts no line.
    """

    min_days: int = Field(default=42, ge=0)
    switch: tuple[str, ...] = ()
    sets: tuple[tuple[str, ...], ...] = ()
    new_line: bool = False


class Curative(_Part):
    """Treatment before the index, given to cure: which of it counts for an early relapse, and how early that is."""

    classes: tuple[str, ...] = ()
    early_relapse_days: int = Field(default=183, ge=0)


class Record(_Part):
    """A treatment without an end that is not ongoing lasts so many days.

    `cycle_days`, by agent or class: how long a record of a drug lasts that has no end, or ends on its first day (one
    infusion a row), unless it is ongoing.
    """

    fallback_days: int = Field(default=21, ge=1)
    cycle_days: dict[str, Annotated[int, Field(ge=1)]] = {}


class RuleSet(_Part):
    """One way to make lines of therapy out of treatments."""

    name: str
    version: str
    title: str
    source: str
    regimen: Regimen = Regimen()
    gap: Gap = Gap()
    new_drug: NewDrug = NewDrug()
    companion: Companion = Companion()
    ignored: Classes = Classes()
    maintenance: Maintenance = Maintenance()
    adding: Adding = Adding()
    progression: Progression = Progression()
    curative: Curative = Curative()
    record: Record = Record()
    sha256: str = ""

    @property
    def stamp(self) -> str:
        """`her2-abc 1.0.0 (sha256 1a2b3c4d)`: what every line carries."""
        return f"{self.name} {self.version} (sha256 {self.sha256[:8]})"

    @property
    def looks_back(self) -> bool:
        """Whether a rule asks for what is known only when the lines are made: they are then folded again."""
        return bool(
            self.regimen.single_dose != "keep"
            or self.gap.restart != "new line"
            or self.new_drug.after_toxicity_days
            or self.companion.alone != "no line"
            or self.maintenance.sets
            or self.maintenance.new_line
        )


def require_forward(rules: RuleSet) -> None:
    """Refuse rules that need more than one pass over a patient's treatments, or the study's way of reading them.

    Raises:
        UsageError: X121.
    """
    if not (rules.looks_back or rules.record.cycle_days or rules.progression.local):
        return
    raise UsageError(
        Finding(
            "X121",
            "error",
            f"the rule set {rules.name} has rules that look back",
            Where(field="rules"),
            allowed="without gap.restart, new_drug.after_toxicity_days, regimen.single_dose, companion.alone, "
            "maintenance.sets, maintenance.new_line, progression.local and record.cycle_days",
            remedy="use a study file (sequela run), or take these keys out",
        )
    )


def shipped() -> tuple[str, ...]:
    """The names of the rule sets that come with the package."""
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in (files("sequela") / "data" / "rules").iterdir())
    )


def read_rules(name: str, base: Path | None = None, where: Where | None = None) -> RuleSet:
    """A shipped rule set by name, or a rule-set file by path (relative to `base`); `where` it was named, for errors.

    Raises:
        StudyError: there is no such rule set, or the file has unknown keys or wrong values.
    """
    if name in shipped():
        return _parse((files("sequela") / "data" / "rules" / f"{name}.toml").read_text("utf-8"), name)
    path = (base or Path()) / name
    if not path.is_file():
        raise StudyError(
            Finding(
                "S120",
                "error",
                f"there is no rule set `{name}`",
                where or Where(field="lines.rules"),
                found=name,
                allowed=f"{', '.join(shipped())}, or the path of a rule-set file",
                remedy="name a shipped rule set, or give the path of your own",
            )
        )
    return _parse(path.read_text("utf-8"), str(path))


def _parse(text: str, where: str) -> RuleSet:
    try:
        document: dict[str, Any] = tomllib.loads(text)
        return RuleSet.model_validate({**document, "sha256": hashlib.sha256(text.encode()).hexdigest()})
    except (tomllib.TOMLDecodeError, ValidationError) as fault:
        details = fault.errors(include_url=False) if isinstance(fault, ValidationError) else []
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in details) or str(
            fault
        )
        raise StudyError(
            Finding(
                "S121",
                "error",
                "the rule set cannot be read",
                Where(where),
                found=found,
                remedy="compare it with a shipped rule set: sequela explain S121",
            )
        ) from None
