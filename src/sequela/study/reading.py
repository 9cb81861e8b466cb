"""Reading a study file: TOML to one frozen `Study`, with errors that point to the line and say what to write."""

from __future__ import annotations

import hashlib
import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where
from sequela.study.bench import BenchStudy
from sequela.study.bench_names import check_bench
from sequela.study.model import Study
from sequela.study.named_endpoints import expand
from sequela.study.names import check
from sequela.study.parts import Part
from sequela.study.positions import lines_of, nearest_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sequela.study.positions import Path as KeyPath


def read(path: str | Path) -> Study:
    """The study of a file, or of the `study.toml` in a directory.

    Raises:
        StudyError: the file is missing, no TOML, has decisions left open (TODO), unknown or missing keys, wrong
            values, an expression that cannot be read or names something unknown, or overlapping sequence groups.
            All faults of one stage are reported together.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "study.toml"
    text = _text(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise StudyError(_syntax(file, text, fault)) from None
    places = lines_of(text)
    if undecided := list(_undecided(file, places, document)):
        raise StudyError(undecided)
    root = _root(document)
    if root is Study:
        document, unnamed = expand(document)
        if unnamed:
            raise StudyError([_locate(file, places, key, finding) for key, finding in unnamed])
    origin = {"path": str(file), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    try:
        if root is BenchStudy:
            study = Study.of_bench(BenchStudy.model_validate(document), **origin)
        else:
            study = Study.model_validate({**document, **origin})
    except ValidationError as fault:
        raise StudyError(_explain(root, file, places, fault)) from None
    found = check_bench(study.bench) if study.bench else check(study)
    faults = [_locate(file, places, key, finding) for key, finding in found]
    if any(finding.severity == "error" for finding in faults):
        raise StudyError(faults)
    return study


def decisions(path: Path) -> list[Finding]:
    """What a person has still to decide in a study file: every value that starts with TODO, with its line.

    Raises:
        StudyError: the file is missing or no TOML.
    """
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise StudyError(_syntax(path, text, fault)) from None
    return list(_undecided(path, lines_of(text), document))


def _undecided(file: Path, places: dict[KeyPath, int], told: Any, key: KeyPath = ()) -> Iterator[Finding]:
    if isinstance(told, str) and told.startswith("TODO"):
        finding = Finding(
            "S150", "error", told.removeprefix("TODO").lstrip(": ") or "a decision is left open",
            found=told, allowed="a decision", remedy="write it in place of the TODO",
        )  # fmt: skip
        yield _locate(file, places, key, finding)
    elif isinstance(told, dict):
        for name, inner in told.items():
            yield from _undecided(file, places, inner, (*key, name))
    elif isinstance(told, list):
        for place, inner in enumerate(told):
            yield from _undecided(file, places, inner, (*key, place))


def schema() -> str:
    """The JSON Schema of a study file: that of a study of patients, or of cultures where `wing` says so."""
    described = Study.model_json_schema()
    for hidden in ("path", "sha256"):
        described["properties"].pop(hidden)
    bench = BenchStudy.model_json_schema()
    definitions = {**bench.pop("$defs"), **described.pop("$defs")}
    wing = {"properties": {"wing": {"const": "bench"}}, "required": ["wing"]}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Study",
        "type": "object",
        "if": {"properties": {"study": wing}, "required": ["study"]},
        "then": bench,
        "else": described,
        "$defs": definitions,
    }
    return json.dumps(whole, indent=2) + "\n"


def _root(document: dict[str, Any]) -> type[Part]:
    """The model of a file: that of the wing it names."""
    about = document.get("study")
    return BenchStudy if isinstance(about, dict) and about.get("wing") == "bench" else Study


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = sorted(other.name for other in file.parent.glob("*.toml")) if file.parent.is_dir() else []
        raise StudyError(
            Finding(
                "S101",
                "error",
                "there is no such study file",
                Where(str(file)),
                found=f"beside it: {', '.join(beside)}" if beside else "no TOML file beside it",
                remedy="give the path of a study file, or make one: sequela init DIR",
            )
        ) from None
    except UnicodeDecodeError as fault:
        raise StudyError(
            Finding(
                "S102",
                "error",
                "a study file is UTF-8 text",
                Where(str(file)),
                found=f"byte 0x{fault.object[fault.start]:02x} at position {fault.start}",
                remedy="save the file as UTF-8",
            )
        ) from None


def _syntax(file: Path, text: str, fault: tomllib.TOMLDecodeError) -> Finding:
    message = str(fault)
    line = (
        int(message.split("at line ")[1].split(",")[0]) if "at line " in message else len(text.splitlines())
    )
    shown = text.splitlines()[line - 1].strip() if 0 < line <= len(text.splitlines()) else ""
    return Finding(
        "S102",
        "error",
        f"this is no TOML: {message.split(' (at')[0].lower()}",
        Where(str(file), line),
        found=shown or None,
        allowed='key = "text", key = 3, key = ["a", "b"], or a [table]',
        remedy="mend the line; text stands in quotation marks",
    )


def _locate(file: Path, places: dict[KeyPath, int], key: KeyPath, finding: Finding) -> Finding:
    place = Where(str(file), nearest_line(places, key), ".".join(map(str, key)))
    return Finding(
        finding.code, finding.severity, finding.message, place, finding.found, finding.allowed, finding.remedy
    )


def _explain(
    root: type[Part], file: Path, places: dict[KeyPath, int], fault: ValidationError
) -> list[Finding]:
    findings: list[Finding] = []
    for error in fault.errors(include_url=False):
        loc = error["loc"]
        key = tuple(part for place, part in enumerate(loc) if not _is_tag(place, loc))
        findings.append(_locate(file, places, key, _one(root, key, dict(error), _tag(loc))))
    return findings


def _is_tag(place: int, loc: tuple[str | int, ...]) -> bool:
    """Pydantic puts the tag of a union into the path; the user's file has no such key."""
    unions = {"Column", "str", "dict[str,str]", "function-before[_tuple(), tuple[str, ...]]"}
    return loc[place] in unions or (place == 2 and _tag(loc) is not None)


def _tag(loc: tuple[str | int, ...]) -> str | None:
    """The kind of the analysis or assay that an error lies in; None for errors elsewhere."""
    return str(loc[2]) if len(loc) > 2 and loc[0] in ("analyses", "assays") else None


def _one(root: type[Part], key: KeyPath, error: dict[str, Any], tag: str | None) -> Finding:
    name = str(key[-1]) if key else "the file"
    match error["type"]:
        case "extra_forbidden":
            known = _siblings(root, key, tag)
            return Finding(
                "S103",
                "error",
                f"unknown key `{name}`" + _suggest(name, known),
                allowed=", ".join(known) or None,
                remedy="mend the spelling, or take the key out",
            )
        case "union_tag_not_found":
            return Finding("S104", "error", f"the key `kind` of `{name}` is missing", remedy="add `kind = …`")
        case "missing":
            return Finding("S104", "error", f"the key `{name}` is missing", remedy=f"add `{name} = …`")
        case "value_error" if "\n" in error["msg"]:
            return Finding(
                "S106",
                "error",
                error["msg"].removeprefix("Value error, ").split("\n", 1)[0],
                found="\n" + error["msg"].split("\n", 1)[1],
                remedy="see the grammar: sequela explain S106",
            )
        case _:
            allowed = error.get("ctx", {}).get("expected") or error.get("ctx", {}).get("expected_tags")
            return Finding(
                "S105",
                "error",
                f"`{name}`: {error['msg'][0].lower()}{error['msg'][1:]}",
                found=repr(error["input"])[:80],
                allowed=str(allowed) if allowed else None,
                remedy="see the schema: sequela schema",
            )


def _siblings(root: type[Part], key: KeyPath, tag: str | None) -> list[str]:
    """The keys allowed beside the last part of `key`; `tag` chooses among the kinds of an analysis or assay."""
    part: Any = root
    for step in key[:-1]:
        part = _inside(part, step)
        if isinstance(part, dict):
            part = part.get(tag)
        if part is None:
            return []
    fields = part.model_fields if isinstance(part, type) and issubclass(part, Part) else {}
    return [name for name in fields if name not in ("path", "sha256")]


def _inside(part: Any, step: str | int) -> Any:
    if isinstance(part, type) and issubclass(part, Part):
        field = part.model_fields.get(str(step))
        return _model_in(field.annotation) if field else None
    return part[1] if isinstance(part, tuple) else part


def _model_in(annotation: Any) -> Any:
    """The model that an annotation holds: `Part`, `dict[str, Part]`, `tuple[Part, ...]`, `Part | None`.

    Of a union of kinds, each by its kind.
    """
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    inner = [found for found in map(_model_in, getattr(annotation, "__args__", ())) if found is not None]
    if not inner:
        return None
    container = getattr(annotation, "__origin__", None)
    if container in (dict, tuple):
        return container, inner[0]
    if len(inner) > 1 and all("kind" in one.model_fields for one in inner if isinstance(one, type)):
        return {kind: one for one in inner for kind in get_args(one.model_fields["kind"].annotation)}
    return inner[0]


def _suggest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f": did you mean `{near[0]}`?" if near else ""
