"""Fluorescence through the study file: pictures or tables of cells to one value an experiment, and what is refused."""

import csv
import io

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import DataError, StudyError
from sequela.virtual.pictures import invented_cells
from sequela.walk.bench import walk_bench

pytest.importorskip("skimage")

STUDY = """
[study]
wing = "bench"
title = "Fields"
question = "Where is it?"

[cultures.CTR]
[cultures.TP]

[assays.her2]
kind = "immunofluorescence"
file = "fields.csv"
target = "HER2"
modality = "confocal"
{more}

[[analyses]]
kind = "compare"
id = "membrane"
title = "Membrane"
assay = "her2"
response = "{response}"

[[analyses]]
kind = "fields"
id = "fields"
title = "Fields"
assay = "her2"
"""
SHARES = {"CTR": 0.60, "TP": 0.25}
HEADER = ("experiment", "culture", "field", "cells", "nuclei", "target")
LABELS = "blur_pixels = 1.5"


def write(tmp_path, rows, header=HEADER, more=LABELS, response="membrane"):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    (tmp_path / "fields.csv").write_text(out.getvalue(), encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY.format(more=more, response=response), encoding="utf-8")
    return sq.Study.read(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Fields of nine cells, one an experiment and culture, as PNG, with the true labels beside them."""
    from PIL import Image

    place, rng, rows = tmp_path_factory.mktemp("fields"), np.random.default_rng(5), []
    for experiment in "123":
        for culture, membrane in SHARES.items():
            cells = invented_cells(rng, membrane=membrane, grid=3, pitch=64)
            name = f"{culture}{experiment}"
            for kind, pixels in (("target", cells.target), ("nuclear", cells.nuclear),
                                 ("cells", cells.cells), ("nuclei", cells.nuclei)):  # fmt: skip
                Image.fromarray(pixels.astype(np.uint16)).save(place / f"{name}-{kind}.png")
            rows.append(
                [experiment, culture, "1", *(f"{name}-{kind}.png" for kind in ("cells", "nuclei", "target"))]
            )
    return place, rows


@pytest.fixture
def fields(made, tmp_path):
    place, rows = made
    for file in place.iterdir():
        (tmp_path / file.name).symlink_to(file)
    return [list(row) for row in rows]


def found(study):
    return {finding.code: finding for finding in walk_bench(study).findings}


def test_shares_come_back_by_experiment(tmp_path, fields):
    result = sq.run(write(tmp_path, fields), tmp_path / "out")
    contrast, montage = result.contents
    assert contrast.response == "Membrane share of HER2"
    assert [level.mean for level in contrast.levels] == pytest.approx([0.60, 0.25], abs=0.06)
    (one,) = contrast.comparisons.recommended
    assert one.n == (3, 3)
    assert one.readings == (27, 27)  # cells, which are no repeats
    assert one.effect.upper < 0.6
    assert contrast.small == "cells"
    assert len(contrast.groups[0].values) == 27
    assert set(contrast.groups[0].large) == {"1", "2", "3"}
    assert [field.condition for field in montage.fields] == ["CTR", "TP"]
    assert [(one.experiments, one.fields, one.cells) for one in montage.located] == [(3, 3, 27)] * 2
    assert "cells of one experiment are one value" in str(result.tables["membrane"].notes)
    assert set(result.manifest["inputs"]["her2"]["files"]) >= {"fields.csv", "CTR1-target.png"}
    assert set(found(write(tmp_path, fields))) == set()


def test_cells_are_found_and_the_blur_with_them(tmp_path, fields):
    rows = [[*row[:3], row[5].replace("target", "nuclear"), row[5], row[5]] for row in fields]
    header = (*HEADER[:3], "nuclear", "target", "marker")
    study = write(tmp_path, rows, header, "pixel_um = 0.5\nnucleus_um = 12")
    walked = walk_bench(study)
    assert walked.frames["her2"]["unused"].is_null().sum() > 15  # others are cut by the edge
    blurs = {one.measured.blur for one in walked.images["her2"].fields}
    assert len(blurs) == 1  # one microscope
    assert blurs.pop() == pytest.approx(1.5, abs=0.4)
    levels = sq.run(study).contents[0].levels
    assert levels[0].mean > 1.6 * levels[1].mean


def test_a_table_of_cells_from_any_program(tmp_path):
    rng, rows = np.random.default_rng(1), []
    for experiment in "123":
        for culture, membrane in SHARES.items():
            rows += [[experiment, culture, field, f"{membrane + 0.02 * rng.normal():.4f}"]
                     for field in "ab" for _ in range(20)]  # fmt: skip
    contrast, montage = sq.run(
        write(tmp_path, rows, ("experiment", "culture", "field", "membrane"), "")
    ).contents
    assert contrast.comparisons.recommended[0].effect.value == pytest.approx(0.25 / 0.6, rel=0.05)
    assert contrast.levels[0].wells == 120
    assert montage.fields == ()


def test_intensities_of_mixed_exposures_are_refused_and_shares_are_not(tmp_path, fields):
    rows = [[*row, "200" if row[0] == "2" else "100"] for row in fields]
    study = write(tmp_path, rows, (*HEADER, "exposure"))
    finding = found(study)["I154"]
    assert (finding.severity, finding.where.field, finding.found) == ("error", "exposure", "100, 200")
    assert sq.run(study).contents[0].comparisons.recommended[0].n == (3, 3)
    with pytest.raises(DataError, match="B261"):
        sq.run(write(tmp_path, rows, (*HEADER, "exposure"), response="mean"))


@pytest.mark.parametrize(
    ("column", "name", "code"),
    [
        ("target", "absent.png", "I101"),
        ("target", "lossy.jpg", "I102"),
        ("target", "small.png", "I140"),
        ("target", "renamed.png", "I102"),
        ("target", "mask.png", "I107"),
        ("cells", "empty.png", "I142"),
        ("nuclei", "empty.png", "I142"),
        ("cells", "", "I146"),
    ],
)
def test_a_field_that_cannot_be_measured_is_named_and_left_out(tmp_path, fields, column, name, code):
    from PIL import Image

    Image.new("L", (192, 192), 5).save(tmp_path / "lossy.jpg")
    (tmp_path / "renamed.png").write_bytes((tmp_path / "lossy.jpg").read_bytes())
    Image.fromarray(np.eye(192, dtype=bool)).save(tmp_path / "mask.png")
    Image.fromarray(np.full((20, 20), 500, np.uint16)).save(tmp_path / "small.png")
    Image.fromarray(np.zeros((192, 192), np.uint16)).save(tmp_path / "empty.png")
    fields[0][HEADER.index(column)] = name
    study = write(tmp_path, fields)
    finding = found(study)[code]
    assert (finding.severity, finding.where.culture) == ("error", "CTR")
    assert finding.where.file.endswith(name or fields[0][5])
    frame = walk_bench(study).frames["her2"]
    assert frame.filter(frame["unused"] == f"the field cannot be measured ({code})").height == 1
    assert sq.run(study).contents[0].comparisons.recommended[0].n == (2, 2)


def test_a_blur_that_the_cells_do_not_tell_stands_below_the_table(tmp_path, fields):
    def notes(more):
        return sq.run(write(tmp_path, fields, more=more)).contents[0].notes

    assert not any("blur" in note for note in notes("blur_pixels = 1.5"))
    assert any("blur" in note for note in notes("blur_pixels = 4.5"))


def test_one_picture_is_one_field(tmp_path, fields):
    fields[2][5] = fields[0][5]
    findings = [one for one in walk_bench(write(tmp_path, fields)).findings if one.code == "I108"]
    assert [finding.where.file for finding in findings] == [fields[0][5]] * 2


def test_saturated_cells_are_said_with_their_field(tmp_path, fields):
    study = write(tmp_path, fields, more=f"{LABELS}\nceiling = 1200")
    finding = found(study)["I152"]
    assert finding.where.file.endswith("-target.png")
    assert "saturated" in walk_bench(study).frames["her2"]["unused"].to_list()


def test_channels_of_one_file_are_counted_from_one(tmp_path, fields):
    import tifffile
    from PIL import Image

    rows = []
    for row in fields:
        planes = [
            np.asarray(Image.open(tmp_path / row[5].replace("target", kind)))
            for kind in ("nuclear", "target")
        ]
        tifffile.imwrite(tmp_path / row[5].replace("png", "tif"), np.stack(planes))
        rows.append([*row[:5], row[5].replace("png", "tif")])
    header = (*HEADER[:5], "picture")
    more = f"{LABELS}\nchannels = {{ nuclear = 1, target = 2 }}"
    apart = sq.run(write(tmp_path, fields)).contents[0].levels
    assert sq.run(write(tmp_path, rows, header, more)).contents[0].levels == apart
    wrong = write(tmp_path, rows, header, more.replace("target = 2", "target = 3"))
    assert found(wrong)["I147"].where.field == "channels"


def test_what_a_table_must_say(tmp_path, fields):
    bare = [row[:3] for row in fields]
    with pytest.raises(DataError, match="I145"):
        walk_bench(write(tmp_path, bare, HEADER[:3]))
    percent = [[*row, "60", "30", "10"] for row in bare]
    header = (*HEADER[:3], "membrane", "cytoplasm", "nucleus")
    study = write(tmp_path, percent, header)
    assert found(study)["I148"].found == "6 cells"
    unnamed = write(tmp_path, [[row[1], "a", "0.5"] for row in bare], ("culture", "field", "membrane"), "")
    assert "cells of `her2` do not say" in found(unnamed)["B211"].message
    assert (
        sq.run(unnamed).contents[0].comparisons.recommended[0].effect.reason.startswith("experiments are not")
    )
    with pytest.raises(StudyError, match="S133"):
        write(tmp_path, bare, HEADER[:3], "nucleus_um = 12")
