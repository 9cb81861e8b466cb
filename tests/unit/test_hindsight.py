"""Rules that look back, over whole studies: every row is placed once, lines are numbered, and the proof shows the records."""

import re
from datetime import date

import polars as pl
import pytest

import sequela as sq
from sequela.cli import main
from sequela.cli.examples import copy_template
from sequela.clinic.outofcore import lines_of_files
from sequela.clinic.rivals import lines_under
from sequela.clinic.rules import read_rules
from sequela.clinic.spark import lines_of_frame
from sequela.core.errors import UsageError
from sequela.walk.explaining import explain_lines
from sequela.walk.path import read_sources, walk, walk_from
from tests.conftest import TODAY

KEYS = {
    "gap": {"restart": "same line", "days": 30},
    "new_drug": {"after_toxicity_days": 60},
    "regimen": {"single_dose": "leave out"},
    "companion": {"alone": "own line"},
    "maintenance": {"new_line": True, "sets": (("anti_her2_mab",),)},
}


def looking_back(parts):
    base = read_rules("her2-abc")
    changed = {part: getattr(base, part).model_copy(update=KEYS[part]) for part in parts}
    return base.model_copy(update=changed)


@pytest.mark.parametrize("parts", [[part] for part in KEYS] + [list(KEYS)], ids="+".join)
def test_every_row_is_placed_once_and_lines_are_numbered(parts, sepher):
    rules = looking_back(parts)
    assert rules.looks_back
    walked = walk_from(sepher.study, sepher.tables, rules, today=TODAY, check=False)
    table, placed = walked.lines.sequences.table, walked.lines.placed
    used = walked.registry.used.sort("row", maintain_order=True)
    assert placed["row"].to_list() == used["row"].to_list()
    assert placed["rule"].null_count() == 0
    numbers = table.group_by("subject", maintain_order=True).agg("step")["step"].to_list()
    assert all(steps == list(range(1, len(steps) + 1)) for steps in numbers)
    assert (table["end"].fill_null(10**9) >= table["start"]).all()
    for line in table.head(50).iter_rows(named=True):
        assert set(walked.lines.sequences.agents(line["agents"])) == {*line["regimen"], *line["companions"]}
    reasons = table.with_columns(
        pl.col("end_reason").shift().over("subject").alias("before"), (pl.col("step") > 1).alias("later")
    ).filter("later")
    assert (reasons["before"] == reasons["start_reason"]).all()


def test_maintenance_as_a_line_shows_the_records_that_go_on(sepher):
    walked = walk_from(sepher.study, sepher.tables, looking_back(["maintenance"]), today=TODAY, check=False)
    lines = walked.lines.sequences.table.filter(rule="maintenance")
    assert lines.height > 100
    first = lines.row(0, named=True)
    told = explain_lines(walked, first["subject"]).lines[first["step"] - 1]
    assert told.start_reason == "maintenance"
    assert told.given and all(given.rule == "maintenance" for given in told.given)


def test_what_counts_in_one_pass_refuses_them(sepher):
    with pytest.raises(UsageError, match="X121"):
        lines_under(sepher.registry.used, [looking_back(["gap"])], sepher.dictionary.classes)


def test_files_of_any_size_refuse_them_before_anything_is_read(sepher, tmp_path):
    with pytest.raises(UsageError, match="X121"):
        lines_of_files(
            [tmp_path / "none.parquet"], looking_back(["gap"]), sepher.dictionary, tmp_path / "out"
        )
    with pytest.raises(UsageError, match="X121"):
        lines_of_frame(None, looking_back(["gap"]), sepher.dictionary)


def test_a_rule_set_is_named_by_its_path_from_where_one_stands(sepher_study, tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nversion = "1.0.0"\ntitle = ""\nsource = ""\n[gap]\nrestart = "same line"\n', "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["lines", "compare", "generic-28-120", "mine.toml", sepher_study.path])
    assert ended.value.code == 0
    assert "mine.toml" in capsys.readouterr().out


def test_how_long_records_last(tmp_path):
    """By supply, by the drug's cycle, by its class, by the fallback; a recorded end of a later day stands."""
    directory = tmp_path / "study"
    copy_template(directory)
    rules = read_rules("her2-abc")
    text = (directory / "study.toml").read_text("utf-8")
    text = re.sub(r'rules = "[^"]+"', 'rules = "mine.toml"', text)
    text = text.replace(
        'end = { column = "end_date", type = "date" }',
        'end = { column = "end_date", type = "date" }\ndays_supply = { column = "supply", type = "integer" }\n'
        'ongoing = { type = "boolean" }',
    )
    (directory / "study.toml").write_text(text, "utf-8")
    (directory / "mine.toml").write_text(
        f'name = "mine"\nversion = "1.0.0"\ntitle = "{rules.title}"\nsource = "a test"\n'
        "[record]\nfallback_days = 5\ncycle_days = { paclitaxel = 7, taxane = 14, anti_her2_mab = 21 }\n",
        "utf-8",
    )
    rows = [
        ("capecitabine", "", 28, "no", 28),
        ("capecitabine", "", "", "no", 5),
        ("capecitabine", "2020-03-10", 28, "no", 10),
        ("paclitaxel", "2020-03-01", "", "no", 7),
        ("docetaxel", "", "", "", 14),
        ("trastuzumab", "2020-03-05", "", "no", 5),
        ("trastuzumab", "2020-03-01", "", "no", 21),
        ("pertuzumab", "", "", "yes", None),
    ]
    lines = [f"P01,{drug},2020-03-01,{end},,{supply},{going}" for drug, end, supply, going, _ in rows]
    (directory / "data" / "treatments.csv").write_text(
        "\n".join(["patient,drug,start_date,end_date,stop_reason,supply,ongoing", *lines]) + "\n", "utf-8"
    )
    given = walk(sq.Study.read(directory), today=date(2026, 1, 1)).registry.treatments.sort("row")
    lasted = [
        None if end is None else end - start + 1 for start, end in given.select("start", "end").iter_rows()
    ]
    assert lasted == [days for *_, days in rows]
    assert given["end_assumed"].to_list() == [False, True, False, True, True, False, True, False]


def test_a_progression_that_was_treated_locally_plays_no_part(tmp_path):
    """Radiosurgery soon after a progression in the brain: the switch to another drug has no progression behind it."""
    directory = tmp_path / "study"
    copy_template(directory)
    rows = [
        ("trastuzumab", "2020-03-01", "2020-08-01"),
        ("radiosurgery", "2020-06-10", "2020-06-10"),
        ("vinorelbine", "2020-08-10", "2020-12-01"),
    ]
    lines = [f"P01,{drug},{start},{end},other" for drug, start, end in rows]
    (directory / "data" / "treatments.csv").write_text(
        "\n".join(["patient,drug,start_date,end_date,stop_reason", *lines]) + "\n", "utf-8"
    )
    (directory / "data" / "progressions.csv").write_text("patient,date\nP01,2020-06-01\n", "utf-8")
    study = sq.Study.read(directory)
    tables = read_sources(study, lambda _: None)

    def found(**keys):
        base = read_rules("her2-abc")
        mode = base.progression.model_copy(update={"mode": "and", "before_days": 100, **keys})
        walked = walk_from(study, tables, base.model_copy(update={"progression": mode}), today=TODAY)
        return walked.lines.sequences.table.height

    assert found() == 2
    assert found(local=("radiotherapy",)) == 1
    assert found(local=("radiotherapy",), local_days=5) == 2
