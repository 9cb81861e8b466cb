"""Pages made from the package: the study file's keys, the finding codes, the command line, the rule book."""

from __future__ import annotations

import json
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

WORDS: Final[dict[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Any: "[expression](../expressions.md)",
}
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def generate(directory: Path) -> None:
    """Write every generated page into `directory`."""
    directory.mkdir(exist_ok=True)
    pages = {
        "study-keys": study_keys(),
        "codes": codes(),
        "check-rules": check_rules(),
        "verbs": verbs(),
        "rule-book": rule_book(),
        "bad-input": bad_inputs(),
    }
    for name, text in pages.items():
        path = directory / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")


def study_keys() -> str:
    """A table per part of the study file."""
    from sequela.study import model

    parts: list[type[model.Part]] = [
        part
        for part in vars(model).values()
        if isinstance(part, type)
        and issubclass(part, model.Part)
        and part is not model.Part
        and not part.__name__.startswith("_")
    ]
    lines = ["# Every key of the study file", ""]
    for part in parts:
        lines += [
            f"## {part.__name__}",
            "",
            (part.__doc__ or "").strip(),
            "",
            "| Key | Type | Default | Meaning |",
            "|---|---|---|---|",
        ]
        for name, field in part.model_fields.items():
            if (part.__name__, name) in (("Study", "path"), ("Study", "sha256")):
                continue
            cells = (f"`{name}`", _type(field.annotation), _default(field), field.description or "")
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _type(annotation: Any) -> str:
    """An annotation in the words of a TOML file."""
    origin, inner = get_origin(annotation), [part for part in get_args(annotation) if part is not NoneType]
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return ", ".join(f'`"{word}"`' for word in inner)
    if origin is dict:
        return f"a table of {_type(inner[1])} by name"
    if origin is tuple:
        if Ellipsis not in inner:
            return f"{len(inner)} in a list: {_type(inner[0])}"
        return "text, or a list of texts" if inner[0] is str else f"a list of {_type(inner[0])}"
    if inner:
        return " or ".join(dict.fromkeys(map(_type, inner)))
    if hasattr(annotation, "model_fields"):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return WORDS[annotation]


def _default(field: Any) -> str:
    """A default as it would stand in the study file; nothing where there is none."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if not isinstance(value, bool | int | float | str | tuple) or value in ("", ()):
        return "–"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def codes() -> str:
    """Every finding code with its long text."""
    from sequela.cli.codes import catalogue

    lines = ["# Finding codes", "", "`sequela explain CODE` prints the same.", ""]
    for code, entry in catalogue().items():
        lines += [
            f"## {code}",
            "",
            f"**{entry['title']}** ({entry['severity']})",
            "",
            "```text",
            entry["text"].strip(),
            "```",
            "",
            f"*What to do:* {entry['remedy'].strip()}",
            "",
        ]
    return "\n".join(lines)


SCOPES: Final = {
    "cell": "One cell",
    "row": "One row",
    "patient": "The rows of one patient",
    "registry": "The whole registry",
    "centre": "A centre against the others",
}


def check_rules() -> str:
    """The catalogue of checks, by what a rule looks at."""
    from sequela.clinic.checks import rules

    every = rules().values()
    lines = [
        "# The catalogue of checks",
        "",
        f"{len(every)} rules about records, from the one definition that `sequela check` asks "
        "(`data/codes_checks.toml`). *Says* is the condition that a row must not meet; rules without one are functions. "
        "The examples are tests.",
        "",
    ]
    for scope, title in SCOPES.items():
        found = [rule for rule in every if rule.scope == scope]
        lines += [f"## {title}", "", f"{len(found)} rules.", ""]
        for rule in found:
            lines += [f"### {rule.code} {rule.title}", "", f"*{rule.severity}.* {rule.text}", ""]
            if rule.broken:
                needs = ", ".join(f"`{name}`" for name in (*rule.needs, *rule.any)) or "–"
                lines += [f"- Says, of `{rule.rows}`: `{rule.broken}`", f"- Needs: {needs}"]
            lines += [f"- Allowed: {rule.allowed}", f"- Example: {_example(rule.example)}", f"- What to do: {rule.remedy}", ""]
    return "\n".join(lines)


def _example(example: Any) -> str:
    if isinstance(example, str):
        return example
    return ", ".join(f"{name} {str(value).lower()}" for name, value in example.items()) or "an empty cell"


def verbs() -> str:
    """The help of every verb."""
    import click

    from sequela.cli import sequela

    lines = [
        "# The command line",
        "",
        "Exit codes: 0 done; 1 findings of severity error, or records that cannot be used; 2 the command or the study file is wrong; 70 a fault of Sequela itself; 130 interrupted (the last complete output is untouched).",
        "",
    ]
    for name, command in _commands(sequela, "sequela"):
        usage = " ".join(
            parameter.human_readable_name.upper() if isinstance(parameter, click.Argument) else ""
            for parameter in command.params
        ).strip()
        lines += [f"## {name} {usage}".rstrip(), "", (command.help or "").strip(), ""]
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        if options:
            lines += ["| Option | Meaning |", "|---|---|"]
            lines += [f"| `{', '.join(option.opts)}` | {_cell(option.help or '')} |" for option in options]
            lines.append("")
    return "\n".join(lines)


def _commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, command in sorted(group.commands.items()):
        full = f"{prefix} {name}"
        found += _commands(command, full) if hasattr(command, "commands") else [(full, command)]
    return found


def rule_book() -> str:
    """The shipped rule sets, and every titled case that tests them."""
    from tests.spec.line_cases import FILE

    lines = [
        "# Rule book",
        "",
        "Each case is a test: what was recorded, and the lines that must come out.",
        "",
        "## Shipped rule sets",
        "",
    ]
    folder = files("sequela") / "data" / "rules"
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        text = entry.read_text("utf-8")
        rules = tomllib.loads(text)
        lines += [
            f"### {rules['name']} {rules['version']}",
            "",
            f"{rules['title']}. {rules['source']}",
            "",
            "```toml",
            text.strip(),
            "```",
            "",
        ]
    lines += [
        "## Cases",
        "",
        "`agent  start..end` in days; an open end is ongoing. After `|`: keys of the rule set that the case changes. After "
        "`=>`: number, days, drugs, the rule that started the line; `beyond` is treatment beyond progression.",
        "",
    ]
    return "\n".join([*lines, *_cases(FILE, "*{}.*"), *_endpoint_cases()])


def _cases(file: Path, about: str) -> list[str]:
    """The cases of a spec table; `about` frames the second line of each."""
    lines: list[str] = []
    for block in file.read_text("utf-8").split("== ")[1:]:
        title, second, sentence, *rest = (line for line in block.splitlines() if line.strip())
        words = f"{about.format(second.strip())} {sentence.strip()}"
        lines += [f"### {title.strip()}", "", words, "", "```text", *rest, "```", ""]
    return lines


def _endpoint_cases() -> list[str]:
    from tests.spec.endpoint_cases import FILE

    lines = [
        "## Endpoints",
        "",
        "One invented life each, in days; a line is `start..end` with the reason of its stop, and an open end is ongoing. "
        "After `=>`: the time, and what ended it.",
        "",
    ]
    return [*lines, *_cases(FILE, "`{}`")]


def bad_inputs() -> str:
    """Every bad input of the tests with the message that it really gets."""
    import tempfile

    from tests.doors.bad_inputs import BAD, make

    import sequela as sq
    from sequela.core.errors import SequelaError

    lines = [
        "# Bad input",
        "",
        "Each gets one clear message, its exit code (1 the records, 2 the study file), and leaves nothing half written. "
        "The messages below are printed by the package itself while this page is built.",
        "",
    ]
    for bad in BAD:
        with tempfile.TemporaryDirectory() as place:
            directory = make(bad, Path(place) / "my-study")
            try:
                sq.run(sq.Study.read(directory))
            except SequelaError as fault:
                message = str(fault).replace(f"{place}/", "")
            else:
                raise AssertionError(f"{bad.title}: no error")
        lines += [f"## {bad.title}", "", f"Exit code {bad.exit_code}.", "", "```text", message, "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    generate(Path(__file__).parent / "generated")
