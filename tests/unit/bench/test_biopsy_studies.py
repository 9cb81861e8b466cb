"""Biopsies through the study file: the paper's Table 1 to statuses, conversions and honest tests; bad tables."""

import numpy as np
import pytest

import sequela as sq
from sequela.bench.stains import H_DAB
from sequela.virtual.pictures import invented_slide
from sequela.walk.bench import walk_bench

STUDY = """
[study]
wing = "bench"
title = "Biopsies"
question = "Is the target lost?"

[assays.biopsies]
kind = "ihc"
file = "biopsies.csv"
{more}

[[analyses]]
kind = "biopsies"
id = "biopsies"
title = "Receptors before and after"
assay = "biopsies"
"""
HEADER = "patient,time,er,pgr,score,percent,ish"
TABLE_1 = """1,before,90,90,2+,70,amplified
1,after,90,90,0,0,–
2,before,90,40,2+,30,amplified
2,after,90,60,1+,30,-
3,before,46,0,2+,100,amplified
3,after,75,18,1+,15,amplified
4,before,88,42,3+,100,ambiguous_dash
4,after,99,1,1+,60,amplified"""


def write(tmp_path, rows=TABLE_1, header=HEADER, more=""):
    (tmp_path / "biopsies.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY.format(more=more), encoding="utf-8")
    return sq.Study.read(tmp_path)


def found(study):
    return {finding.code: finding for finding in walk_bench(study).findings}


def test_table_1_of_the_paper(tmp_path):
    """Bon et al., J Exp Clin Cancer Res 2020; 39: 279: scores lower in four of four, status lost in two."""
    result = sq.run(write(tmp_path), tmp_path / "out")
    (content,) = result.contents
    assert content.found.changes["score_lower"].to_list() == [True] * 4
    assert content.found.changes["status_lost"].to_list() == [True, True, False, False]
    scores = next(one for one in content.slopes if one.name == "HER2 score")
    assert "smallest two-sided p is 0.125" in scores.test.sentence
    assert {"biopsies", "biopsies-statuses", "biopsies-tests"} <= set(result.tables)
    assert (tmp_path / "out" / "figures" / "biopsies.svg").exists()
    assert set(found(write(tmp_path))) == {"I162"}


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("2+,70", "+++,70", "R", 2),
        ("0,0,–", "0,170,–", "R", 3),
        ("1,after", "1,later", "R", 3),
        ("3,before,46,0,2+", "3,before,46,0,", "I163", 6),
    ],
)
def test_a_reading_that_is_not_known_is_said_with_its_line(tmp_path, old, new, code, line):
    study = write(tmp_path, TABLE_1.replace(old, new))
    (finding,) = [one for one in walk_bench(study).findings if one.code.startswith(code)]
    assert finding.where.line == line
    sq.run(study)


def test_a_biopsy_of_no_time_is_in_no_pair_and_counted(tmp_path):
    result = sq.run(write(tmp_path, TABLE_1.replace("1,after", "1,later")))
    assert result.contents[0].found.changes["patient"].to_list() == ["2", "3", "4"]
    assert "I161" in {finding.code for finding in result.findings}
    assert "neither before nor after" in [row.label for row in result.tables["rows"].rows]


def test_two_biopsies_of_one_time_are_not_averaged(tmp_path):
    study = write(tmp_path, TABLE_1 + "\n1,before,80,80,1+,20,amplified")
    (finding,) = [one for one in walk_bench(study).findings if one.code == "I160"]
    assert (finding.where.patient, finding.where.line, finding.found) == ("1", 2, "2 of before, lines 2, 10")
    result = sq.run(study)
    assert result.contents[0].found.changes["patient"].to_list() == ["2", "3", "4"]
    assert "a patient has several biopsies of one time" in [row.label for row in result.tables["rows"].rows]
    left_out = TABLE_1.replace("\n", ",\n") + ",\n1,before,80,80,1+,20,amplified,core too small"
    assert "I160" not in found(write(tmp_path, left_out, HEADER + ",exclude"))


def test_what_to_do_with_a_biopsy_is_printed(tmp_path, capsys):
    from sequela.cli import main

    write(tmp_path, TABLE_1 + "\n1,before,80,80,1+,20,amplified")
    with pytest.raises(SystemExit) as left:
        main(["check", str(tmp_path)])
    assert left.value.code == 1
    told = capsys.readouterr().out
    assert "patient 1" in told
    assert "say which counts: `exclude` the others with a reason" in told


def test_slides_are_measured_beside_the_readings(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(1)
    unit = np.asarray(H_DAB) / np.linalg.norm(H_DAB, axis=1, keepdims=True)
    dab = np.zeros((60, 60))
    dab[:30] = 0.8
    amounts = np.stack([rng.uniform(0.05, 0.3, dab.shape), dab], axis=-1)
    colours = np.clip(np.round(256 * 10 ** -(amounts @ unit) - 1), 0, 255).astype(np.uint8)
    colours[-3:] = 255
    Image.fromarray(colours).save(tmp_path / "slide.png")
    Image.fromarray(colours).save(tmp_path / "slide.jpg")
    rows = TABLE_1.split("\n")
    rows = [f"{row},{['slide.png', 'slide.jpg', ''][min(place, 2)]}" for place, row in enumerate(rows)]
    study = write(tmp_path, "\n".join(rows), HEADER + ",picture", "positive_od = 0.4\npixel_um = 0.5")
    finding = found(study)["I102"]
    assert (finding.where.file, finding.where.patient) == ("slide.jpg", "1")
    (content,) = sq.run(study).contents
    (slide,) = content.slides
    assert (slide.patient, slide.time) == ("1", "before")
    assert slide.positive == pytest.approx(0.5, abs=0.02)


def test_membranes_are_scored_beside_the_readings(tmp_path):
    """Slides of strongly stained and of unstained cells; the readings say 3+ and 2+."""
    from PIL import Image

    rows = [("before", "3+", [(1.0, 1.2)] * 60 + [(0.0, 0.0)] * 60), ("after", "2+", [(0.0, 0.0)] * 120)]
    lines = []
    for time, score, rims in rows:
        slide = invented_slide(np.random.default_rng(1), rims)
        Image.fromarray(np.pad(slide.colours, ((4, 4), (4, 4), (0, 0)), mode="edge")).save(
            tmp_path / f"{time}.png"
        )
        Image.fromarray(np.pad(slide.cells, 4).astype(np.uint16)).save(tmp_path / f"{time}-cells.png")
        lines.append(f"1,{time},90,90,{score},50,not_done,{time}.png,{time}-cells.png")
    header = HEADER + ",picture,cells"
    study = write(tmp_path, "\n".join(lines), header, "cuts_od = [0.1, 0.3, 0.6]")
    frame = walk_bench(study).frames["biopsies"]
    assert frame["measured_score"].to_list() == ["3+", "0"]
    assert frame["measured_percent"].to_list() == pytest.approx([50, 0], abs=1)
    assert frame["score"].to_list() == ["3+", "2+"]
    finding = found(study)["I164"]
    assert (finding.where.file, finding.found.split(" (")[0]) == ("after.png", "read 2+, measured 0")
    (content,) = sq.run(study, tmp_path / "out").contents
    assert "patient 1 before 3+ (50 % of 120 cells)" in content.notes[0]
    bare = "\n".join(line.rsplit(",", 1)[0] for line in lines)
    alone = write(tmp_path, bare, HEADER + ",picture", "cuts_od = [0.1, 0.3, 0.6]\nnucleus_pixels = 18")
    assert walk_bench(alone).frames["biopsies"]["measured_score"].to_list() == ["3+", "0"]
    unsaid = write(tmp_path, bare, HEADER + ",picture", "cuts_od = [0.1, 0.3, 0.6]")
    assert "how large a nucleus is" in found(unsaid)["I146"].message
