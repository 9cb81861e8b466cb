"""Nothing undocumented exists: every verb, key, code and public name has its place, and every link leads somewhere."""

import re
import sys
from pathlib import Path

import click
import pytest

import sequela as sq
from sequela.cli import sequela as group
from sequela.cli.codes import catalogue
from sequela.clinic.checks import rules
from sequela.study import model

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "sequela"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r'"((?:[A-Z]|GT)\d{3})"')


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from generate import generate
    finally:
        sys.path.remove(str(ROOT / "docs"))
    directory = tmp_path_factory.mktemp("docs") / "generated"
    generate(directory)
    return {path.stem: path.read_text("utf-8") for path in directory.glob("*.md")}


@pytest.fixture(scope="module")
def written() -> str:
    return "\n".join(page.read_text("utf-8") for page in PAGES)


def commands(found: click.Group, prefix: str = "sequela") -> dict[str, click.Command]:
    flat: dict[str, click.Command] = {}
    for name, command in found.commands.items():
        full = f"{prefix} {name}"
        flat |= commands(command, full) if isinstance(command, click.Group) else {full: command}
    return flat


def codes_in_source() -> set[str]:
    """Codes that the source speaks, and the rules of the catalogue, which are data."""
    return set(rules()) | {
        code for file in SOURCE.rglob("*.py") for code in CODE.findall(file.read_text("utf-8"))
    }


def test_every_code_in_the_source_is_explained():
    assert sorted(codes_in_source() - catalogue().keys()) == []


def test_every_explained_code_is_in_the_source():
    spoken = {"X101"}  # printed by the command line for any refusal of the operating system
    assert sorted(catalogue().keys() - codes_in_source() - spoken) == []
    assert "error X101" in (SOURCE / "cli" / "__init__.py").read_text("utf-8")


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_an_entry_is_whole(code):
    entry = catalogue()[code]
    assert set(entry) == {"title", "severity", "text", "remedy"}
    assert entry["severity"] in ("error", "warning", "note")
    assert not entry["title"].endswith(".")
    assert all(entry[key].strip() for key in entry)


def test_no_code_is_explained_twice():
    found = [
        line.strip("[]")
        for file in (SOURCE / "data").glob("codes*.toml")
        for line in file.read_text("utf-8").splitlines()
        if re.fullmatch(r"\[\w+\]", line)
    ]
    assert len(found) == len(set(found)) == len(catalogue())


def test_every_code_is_in_the_manual(generated):
    for code, entry in catalogue().items():
        assert f"## {code}\n\n**{entry['title']}** ({entry['severity']})" in generated["codes"]


@pytest.mark.parametrize("verb", sorted(commands(group)))
def test_every_verb_and_option_is_in_the_manual(verb, generated):
    command = commands(group)[verb]
    section = re.search(rf"^## {verb}(?: [^\n]*)?\n(.*?)(?=^## |\Z)", generated["verbs"], re.M | re.S)
    assert section, verb
    assert (command.help or "").split(".")[0] in section[1]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{verb} {parameter.name}: no help"
            assert all(f"{name}" in section[1] for name in parameter.opts), parameter.opts


@pytest.mark.parametrize("verb", sorted(commands(group)))
def test_every_verb_shows_an_example(verb):
    assert f"Example:  {verb}" in (commands(group)[verb].help or "")


def test_every_verb_is_spoken_of(written):
    for verb in commands(group):
        assert verb in written, verb


def parts() -> list[type[model.Part]]:
    return [
        part
        for part in vars(model).values()
        if isinstance(part, type)
        and issubclass(part, model.Part)
        and part is not model.Part
        and not part.__name__.startswith("_")
    ]


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.__name__)
def test_every_study_key_is_in_the_manual(part, generated):
    section = re.search(rf"^## {part.__name__}\n(.*?)(?=^## |\Z)", generated["study-keys"], re.M | re.S)
    assert section, part.__name__
    for name, field in part.model_fields.items():
        if (part.__name__, name) not in (("Study", "path"), ("Study", "sha256")):
            assert f"| `{name}` |" in section[1]
            assert field.description or part.__name__ == "Study", f"{part.__name__}.{name}: no description"


def test_every_public_name_is_spoken_of(written):
    for name in sq.__all__:
        assert f"sq.{name}" in written, name


def test_every_rule_set_is_spoken_of(written, generated):
    for file in (SOURCE / "data" / "rules").glob("*.toml"):
        assert f"`{file.stem}`" in written
        assert f"### {file.stem} " in generated["rule-book"]


LINK = re.compile(r"\]\(([^)\s]*)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page, generated):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for target in LINK.findall(text):
        if not target or re.match(r"(https?:|mailto:|#)", target):
            continue
        path = (page.parent / target.partition("#")[0]).resolve()
        made = path.parent == ROOT / "docs" / "generated" and path.stem in generated
        assert path.exists() or made, target


def test_every_page_is_in_the_table_of_contents(generated):
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^([\w/-]+)$", index, re.M))
    wanted = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    wanted |= {f"generated/{name}" for name in generated}
    assert wanted - listed == set()


def test_make_targets_named_in_the_pages_exist():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.M):
            assert target in targets, (page.name, target)
