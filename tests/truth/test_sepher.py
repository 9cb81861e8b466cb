"""The simulated SePHER study from its records to its tables: the counts as printed (Bon et al. 2020, CC BY 4.0)."""

import pytest

TABLE_2 = {
    "Oestrogen receptor": {"negative": 202, "positive": 353},
    "Progesterone receptor": {"negative": 297, "positive": 258},
    "Ki-67, %": {"≤20": 103, ">20": 389, "Unknown": 63},
    "Grading": {"G1": 6, "G2": 148, "G3": 339, "Unknown": 62},
    "Immunohistochemical subtype": {
        "Triple positive": 244,
        "ER or PgR positive": 109,
        "ER and PgR negative": 202,
    },
    "Metastatic at diagnosis": {"no": 398, "yes": 157},
    "Neo-/adjuvant treatment": {"yes": 363, "no": 35},
    "Neo-/adjuvant trastuzumab": {"yes": 212, "no": 186},
    "Visceral metastases": {"yes": 397},
    "Bone-only metastases": {"yes": 25},
    "Brain metastases": {"yes": 155},
    "Number of metastatic sites": {"1": 397, "2": 85, ">2": 73},
    "T-DM1 treatment line": {"First line": 25, "Second line": 371, "Third line": 96, "Subsequent lines": 63},
}
# Printed, but for the neo-/adjuvant trastuzumab cell (printed 76, which repeats a neighbour; 114 makes the column
# sum to 177 and gives the printed p), and the p values that the printed counts do not give (0.57, 0.05, 0.10).
TABLE_3 = {
    "Progesterone receptor": ({"positive": (91, 85), "negative": (103, 92)}, 0.83),
    "Oestrogen receptor": ({"positive": (132, 114), "negative": (62, 63)}, 0.46),
    "Ki-67, %": ({"≤20": (45, 26), ">20": (131, 131)}, 0.045),
    "Immunohistochemical subtype": (
        {"Triple positive": (87, 81), "ER or PgR positive": (45, 33), "ER and PgR negative": (62, 63)},
        0.52,
    ),
    "Immunohistochemical subtype as the paper's Methods define it": ({}, 0.57),
    "Metastatic at diagnosis": ({"no": (147, 117), "yes": (47, 60)}, 0.040),
    "Number of metastatic sites": ({"1": (142, 117), ">1": (52, 60)}, 0.14),
    "Neo-/adjuvant treatment": ({"yes": (128, 109), "no": (66, 68)}, 0.38),
    "Neo-/adjuvant trastuzumab": ({"yes": (76, 63), "no": (118, 114)}, 0.48),
    "Visceral metastases": ({"yes": (133, 135), "no": (60, 42)}, 0.11),
    "Disease-free interval": ({"<3 years": (66, 47), "≥3 years": (75, 67)}, 0.37),
}


def rows_of(table):
    """{variable: {level: counts}} and {variable: p} as printed in a table."""
    counts, tests, variable = {}, {}, ""
    for row in table.rows:
        if row.kind == "group":
            variable = row.label
            tests[variable] = row.cells[-1].value
        else:
            counts.setdefault(variable, {})[row.label] = tuple(
                cell.value for cell in row.cells if cell.value is not None
            )
    return counts, tests


def test_table_2(sepher_run):
    counts, _ = rows_of(sepher_run.tables["table-2"])
    for variable, levels in TABLE_2.items():
        for level, n in levels.items():
            assert counts[variable][level][0] == n, (variable, level)


def test_age(sepher_run):
    assert sepher_run.tables["table-2"].rows[0].cells[0].text == "54 (26–87)"


@pytest.mark.parametrize("variable", TABLE_3)
def test_table_3(sepher_run, variable):
    counts, tests = rows_of(sepher_run.tables["table-3"])
    levels, p = TABLE_3[variable]
    for level, expected in levels.items():
        assert counts[variable][level][:2] == expected
    assert round(tests[variable], 3 if p < 0.1 else 2) == p


def test_groups(sepher):
    sizes = dict(sepher.people.frame["sequence"].value_counts().iter_rows())
    assert [sizes[group.name] for group in sepher.study.sequences.groups] == [194, 148, 177, 11, 25]


def test_no_error_in_the_records(sepher):
    assert [finding for finding in sepher.findings if finding.severity == "error"] == []


def test_medians_near_the_printed_ones(sepher_run):
    table = sepher_run.tables["printed"]
    for row in table.rows:
        printed, here = row.cells
        if printed.value is not None:
            assert here.value == pytest.approx(printed.value, rel=0.12), row.label


def test_the_headline_and_its_correction(sepher_run):
    correction = next(
        c for c in sepher_run.corrections if len(c.groups) == 2 and c.endpoint.startswith("Overall")
    )
    naive, delayed, adjusted, restarted, _ = correction.rows
    assert 1.5 < naive.hazard_ratio.value < 2.1
    assert naive.p < 0.01
    for row in (delayed, adjusted, restarted):
        assert row.hazard_ratio.lower < 1 < row.hazard_ratio.upper
        assert row.p > 0.2


def test_simulated_patients_is_said_everywhere(sepher_run):
    banner = "Simulated patients"
    files = [
        path
        for path in sepher_run.out.rglob("*")
        if path.suffix in (".html", ".csv", ".svg") and "figures" not in path.parts
    ]
    assert len(files) > 30
    for path in files:
        assert banner in path.read_text("utf-8"), path
    for path in (sepher_run.out / "figures").glob("*.svg"):
        assert banner in path.read_text("utf-8"), path
    for path in (sepher_run.out / "figures").glob("*.csv"):
        assert banner in path.read_text("utf-8"), path
    data = sepher_run.out.parent / "data"
    for path in data.glob("*.csv"):
        assert path.read_text("utf-8").startswith(f"# {banner}"), path
    assert sepher_run.manifest["study"]["simulated"] is True


def test_null_switch_removes_the_difference_between_the_arms(tmp_path):
    """Without any effect of pertuzumab the naive contrast stands, and the corrected one does not."""
    import sequela as sq
    from sequela.cli.examples import copy_example

    result = sq.run(sq.Study.read(copy_example("sepher", tmp_path, null=True)))
    correction = next(
        c for c in result.corrections if len(c.groups) == 2 and c.endpoint.startswith("Overall")
    )
    assert correction.rows[0].hazard_ratio.value > 1.5
    assert correction.rows[2].hazard_ratio.lower < 1 < correction.rows[2].hazard_ratio.upper
