"""The text of a first study file: every source and field, moments, lines, endpoints, covariates and analyses."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import relpath
from typing import TYPE_CHECKING, Any, Final

from sequela.records.labelled import portable
from sequela.study.drafting import TODO
from sequela.study.recognition import COVARIATES
from sequela.study.toml_text import key, value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sequela.study.drafting import Drafted, Table

_HEAD: Final = """# A first study file, written by `sequela init --from`. Where it says TODO a person must decide;
# `sequela check` lists what is left, line by line. All keys: `sequela schema`.
"""
_MOST: Final = 14  # covariates that a first table prints
_OMIT: Final = frozenset({"name", "files", "columns"})


def study_text(tables: Sequence[Table], rules: str, drugs: Sequence[str], base: Path) -> str:
    """The study file.

    Args:
        tables: the sources, patients first.
        rules: a shipped rule set.
        drugs: the commonest drugs, for the comments.
        base: the directory of the study file.
    """
    by_role = {table.role: table for table in reversed(tables)}
    days = _counts_days(by_role.get("treatments"))
    anchors = _anchors(tables, days=days)
    parts = [_HEAD, *_about(tables, days=days)]
    for table in tables:
        parts += ["", *_source(table, base)]
    if "patients" not in by_role:
        parts += ["", *_absent("patients", ("patient",))]
    if "treatments" not in by_role:
        parts += ["", *_absent("treatments", ("patient", "drug", "start"))]
    parts += [
        "",
        "# ---------------------------------------------------------------- moments, in the order patients live them",
    ]
    for name, told in anchors.items():
        parts += ["", f"[anchors.{name}]", *(f"{key(k)} = {value(v)}" for k, v in told.items())]
    parts += ["", *_lines(anchors, rules)]
    parts += ["", *_groups(drugs)]
    parts += ["", *_endpoints(anchors)]
    people = by_role.get("patients")
    biomarkers, covariates = _variables(people) if people else ([], [])
    parts += biomarkers + [line for _, lines in covariates for line in lines]
    parts += ["", *_analyses([name for name, _ in covariates], anchors)]
    return "\n".join(parts) + "\n"


def _counts_days(given: Table | None) -> bool:
    start = given.field("start") if given else None
    return start is not None and start.told.get("type") == "day"


def _about(tables: Sequence[Table], *, days: bool) -> list[str]:
    files = (file for table in tables for file in table.found.source.files)
    every = list(dict.fromkeys(file.replace("\\", "/").rpartition("/")[2] for file in files))
    names = ", ".join(every[:3]) + (f" and {len(every) - 3} more files" if len(every) > 3 else "")
    lines = [
        "[study]",
        f"title = {value(f'Study of {names}')}",
        f"question = {value(f'{TODO}one sentence, as a reader would ask it')}",
        f'time = "{"days" if days else "dates"}"',
    ]
    return [*lines, 'origin = "diagnosis"'] if days else lines


def _source(table: Table, base: Path) -> list[str]:
    source = table.found.source
    files = [relpath(file, base).replace("\\", "/") for file in source.files]
    where = f"{table.found.title}: {table.rows} rows, {table.patients} patients"
    lines = [
        f"[sources.{key(table.name)}]  # {where}",
        f'role = "{table.role}"  # {table.words}',
        f"file = {value(files[0] if len(files) == 1 else files)}",
    ]
    for name, told in _layout(table, base).items():
        lines.append(f"{name} = {value(told)}")
    if table.missing:
        lines.append(f"missing = {value(list(table.missing))}")
    if table.latest:
        lines.append(f"latest = {value(table.latest)}  # of several rows a patient the one with the largest")
    if table.where == {}:
        lines.append(
            "# No anchor uses this table: name its `day` under [anchors.progression] if it holds progressions."
        )
    elif table.where:
        told = {k: v if isinstance(v, str) else list(v) for k, v in table.where.items()}
        lines.append(f"where = {value(told)}")
    if table.repeats:
        lines += ["repeats = [", *(f"  {value(repeat.columns)}," for repeat in table.repeats), "]"]
    return [*lines, "", f"[sources.{key(table.name)}.columns]", *map(_field, table.fields)]


def _layout(table: Table, base: Path) -> dict[str, Any]:
    """What is not as the suffix says."""
    source = table.found.source
    from pathlib import Path as FilePath

    from sequela.records.source import Source

    usual = Source("", source.files, ())
    natural = usual.format_of(FilePath(source.files[0]))
    told: dict[str, Any] = {}
    for name in (
        "format",
        "sheet",
        "form",
        "table",
        "dictionary",
        "delimiter",
        "encoding",
        "header_rows",
        "comment",
    ):
        found = getattr(source, name)
        if found in (None, ()) or found == getattr(usual, name) or (name == "format" and found == natural):
            continue
        told[name] = list(found) if name == "form" else found
    if "dictionary" in told:
        told["dictionary"] = relpath(told["dictionary"], base).replace("\\", "/")
    if told.get("format") == "cbioportal":
        told.pop("comment", None)
    return told


def _field(field: Drafted) -> str:
    """One field: a name alone where nothing else is to be said."""
    told = dict(field.told)
    simple = set(told) <= {"column"}
    text = value(told["column"]) if simple and told else value(told)
    why = f"  # {field.why}" if field.why not in ("", "its name") else ""
    return f"{key(field.name)} = {text}{why}"


def _absent(role: str, fields: Iterable[str]) -> list[str]:
    lines = [
        f"[sources.{role}]  # no file that was given looks like this",
        f'role = "{role}"',
        f'file = "{TODO}the file with one row a {"patient" if role == "patients" else "drug that was given"}"',
        "",
        f"[sources.{role}.columns]",
    ]
    declared = {"start": {"column": f"{TODO}the column with the start", "type": "date"}}
    return lines + [
        f"{name} = {value(declared.get(name, f'{TODO}the column with the {name}'))}" for name in fields
    ]


def _places(tables: Sequence[Table], concept: str) -> list[tuple[Table, Drafted]]:
    return [(t, f) for t in tables if t.role != "treatments" and (f := t.field(concept)) and _dated(f)]


def _dated(field: Drafted) -> bool:
    return field.told.get("type") in ("date", "day")


def _anchors(tables: Sequence[Table], *, days: bool) -> dict[str, dict[str, Any]]:
    """Moments and the fields that date them."""
    anchors: dict[str, dict[str, Any]] = {}
    for name, label in (
        ("diagnosis", "first diagnosis"),
        ("surgery", "surgery"),
        ("metastatic", "metastatic diagnosis"),
    ):
        if places := _places(tables, name):
            anchors[name] = {"label": label, "fields": _paths(places)}
    if days:
        label = anchors.get("diagnosis", {}).get("label", f"{TODO}the moment that day 0 stands for")
        anchors = {
            "diagnosis": {"label": label, "day": 0},
            **{k: v for k, v in anchors.items() if k != "diagnosis"},
        }
    elif not anchors:
        # Nothing dates the disease itself: treatments count from the first one.
        fields = (
            "treatments.start"
            if any(t.role == "treatments" for t in tables)
            else f"{TODO}a date field, as source.field"
        )
        anchors["first_treatment"] = {"label": "first treatment", "fields": fields}
    progressions = _places(tables, "progression") + [
        place for place in _places(tables, "day") if place[0].role == "events" and place[0].where != {}
    ]
    if progressions:
        anchors["progression"] = {"label": "progression", "stage": "course", "fields": _paths(progressions)}
    return anchors | _ends(tables)


def _ends(tables: Sequence[Table]) -> dict[str, dict[str, Any]]:
    """Death and the last contact; a status without a date of death dates it by the last contact."""
    dead, last = _places(tables, "death"), _places(tables, "last_contact")
    if not last:
        last = _places(tables, "survival_months")
    vital = [(t, f) for t in tables if t.role != "treatments" and (f := t.field("vital"))]
    death: dict[str, Any] = {"label": "death", "stage": "end", "pick": "latest"}
    death["fields"] = (
        _paths(dead or (last if vital else [])) or f"{TODO}the field with the date of death, as source.field"
    )
    if vital:
        death["status"] = {"fields": _paths(vital), "value": "dead"}
    contact = _paths(last) or f"{TODO}the field with the date of the last contact, as source.field"
    ending = {"label": "last contact", "stage": "end", "pick": "latest", "fields": contact}
    return {"death": death, "last_contact": ending}


def _paths(places: Sequence[tuple[Table, Drafted]]) -> Any:
    paths = [f"{table.name}.{field.name}" for table, field in places]
    return paths[0] if len(paths) == 1 else paths


def _lines(anchors: Mapping[str, Any], rules: str) -> list[str]:
    baseline = [name for name, told in anchors.items() if "stage" not in told]
    index = "metastatic" if "metastatic" in baseline else baseline[0]
    return [
        "# ---------------------------------------------------------------- lines of therapy",
        "",
        "[lines]",
        f"rules = {value(rules)}  # shipped: her2-abc, ovarian, generic-28-120; or a file of your own",
        f"index = {value(index)}  # treatments count from here",
        "",
        "[[cohort]]",
        'name = "At least one line of therapy"',
        'where = "lines >= 1"',
    ]


def _groups(drugs: Sequence[str]) -> list[str]:
    """The groups are the question itself: nobody can guess them."""
    return [
        f"[sequences]  # commonest drugs in the file: {', '.join(drugs) or 'none recognised'}",
        'label = "Treatment"',
        "",
        "[[sequences.groups]]  # the first group is the reference",
        f'name = "{TODO}name of the first group"',
        f'where = "{TODO}such as: not line[1] has pertuzumab"',
        "",
        "[[sequences.groups]]",
        f'name = "{TODO}name of the second group"',
        f'where = "{TODO}such as: line[1] has pertuzumab"',
    ]


def _endpoints(anchors: Mapping[str, Any]) -> list[str]:
    censor = 'censor = [{ at = "last_contact.date", label = "last contact" }]'
    lines = [
        "# ---------------------------------------------------------------- endpoints",
        "",
        "[endpoints.os]",
        'label = "Overall survival from the start of line 1"',
        'origin = "line[1].start"',
        'events = [{ at = "death.date", label = "death" }]',
        censor,
    ]
    if "progression" in anchors:
        lines += [
            "",
            "[endpoints.pfs1]",
            'label = "Progression-free survival, line 1"',
            "line = 1",
            'origin = "line[1].start"',
            "events = [",
            '  { at = "progression.date", label = "progression" },',
            '  { at = "death.date", label = "death" },',
            "]",
            censor,
        ]
    return lines


def _variables(people: Table) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Receptors cut in two, and the covariates of a first table."""
    biomarkers: list[str] = []
    covariates: list[tuple[str, list[str]]] = []
    ruled = {"er", "pgr", "ki67"}
    chosen = [f for f in people.fields if f.concept in COVARIATES]
    chosen += [f for f in people.fields if f.concept is None and f.told.get("type") == "category" and _few(f)]
    for field in chosen[:_MOST]:
        number = field.told.get("type") in ("integer", "number")
        label = field.told.get("label") or field.column.replace("_", " ")
        if field.concept in ruled and number and field.told.get("unit") == "%":
            name = portable(f"{field.name}_status", [c for c, _ in covariates]).lower()
            biomarkers += [
                "",
                f"[biomarkers.{name}]",
                f"rule = {value(field.concept)}",
                f"variable = {value(field.name)}",
            ]
            covariates.append((name, ["", f"[covariates.{name}]", f"label = {value(label)}"]))
            continue
        lines = ["", f"[covariates.{key(field.name)}]", f"label = {value(label)}"]
        lines += [f"unit = {value(field.told['unit'])}"] if "unit" in field.told else []
        lines += ["per = 10  # hazard ratio per 10 years"] if field.concept == "age" else []
        covariates.append((field.name, lines))
    return biomarkers, covariates


def _few(field: Drafted) -> bool:
    levels = field.told.get("levels", ())
    found = set(levels.values()) if isinstance(levels, Mapping) else set(levels)
    return 2 <= len(found) <= 6


def _analyses(covariates: Sequence[str], anchors: Mapping[str, Any]) -> list[str]:
    lines = ["# ---------------------------------------------------------------- what is printed"]
    if covariates:
        lines += [
            *_analysis("characteristics", "describe", "Characteristics by group"),
            f"variables = {value(list(covariates))}",
        ]
    lines += [*_analysis("lines", "lines", "Treatments by line"), "up_to = 3"]
    lines += [*_analysis("os", "curves", "Overall survival from the start of line 1"), 'endpoint = "os"']
    if "progression" in anchors:
        lines += [*_analysis("pfs1", "curves", "Progression-free survival, line 1"), 'endpoint = "pfs1"']
    further = [name for name in covariates if name == "age"]
    lines += [*_analysis("cox-os", "cox", "Cox models of overall survival"), 'endpoint = "os"']
    return [*lines, f"variables = {value(['sequence', *further])}"]


def _analysis(name: str, kind: str, title: str) -> list[str]:
    return ["", "[[analyses]]", f'id = "{name}"', f'kind = "{kind}"', f"title = {value(title)}"]
