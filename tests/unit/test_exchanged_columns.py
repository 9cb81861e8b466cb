"""A study file that takes one column for another is answered by findings that say so, never by a crash."""

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

import sequela as sq
from sequela.cli.examples import copy_example
from sequela.walk.path import walk

START, END = 'start = { column = "start_date"', 'end = { column = "end_date"'
SWAPS = {
    "start and end": (
        {START: START.replace("start_date", "end_date"), END: END.replace("end_date", "start_date")},
        "C303",
    ),
    "drug and reason": (
        {"drug = { required = true }": 'drug = { column = "stop_reason", required = true }'},
        "C313",
    ),
    "death and last contact": (
        {
            'last_contact = { column = "last_contact_date"': 'last_contact = { column = "death_date"',
            '\ndeath = { column = "death_date"': '\ndeath = { column = "last_contact_date"',
        },
        "C311",
    ),
    "metastases and birth": ({'column = "metastatic_date"': 'column = "birth_date"'}, "C328"),
}


@pytest.mark.parametrize("name", SWAPS)
def test_one_column_taken_for_another(name, tmp_path):
    path = Path(copy_example("sepher", tmp_path)) / "study.toml"
    text = path.read_text("utf-8")
    changes, code = SWAPS[name]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    walked = walk(sq.Study.read(path), today=date(2026, 1, 1))
    counts = Counter(finding.code for finding in walked.findings)
    assert counts[code] > 100
    said = [
        f.found
        for f in walked.findings
        if f.found and "are two columns exchanged in the study file?" in f.found
    ]
    if code == "C303":
        assert said
        assert not len(walked.cohort)
        assert walked.lines.sequences.table.is_empty()
    else:
        assert name == "death and last contact" or not said
