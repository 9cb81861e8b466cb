"""Blots through the study file: pictures and band tables to tests by experiment, and what is refused on the way."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import DataError, StudyError
from sequela.virtual.pictures import invented_blot
from sequela.walk.bench import walk_bench

STUDY = """
[study]
wing = "bench"
title = "Blots"
question = "Is there less of it?"

[cultures.CTR]
[cultures.T]
[cultures.TP]

[assays.her2]
kind = "blot"
file = "lanes.csv"
{more}

[[analyses]]
kind = "compare"
id = "her2"
title = "HER2"
assay = "her2"
response = "band"
target = "HER2"
{analysis}
"""
CULTURES = ("CTR", "T", "TP")
AMOUNTS = {"CTR": 1.0, "T": 0.7, "TP": 0.25}
TABLE = ("experiment", "blot", "lane", "culture", "target", "value")
PICTURES = ("experiment", "picture", "lane", "culture")
LOADED = 'loading = "tubulin"'
SHOWN = 'loading = "tubulin"\nbands = ["HER2", "tubulin"]'


def write(tmp_path, rows, header=TABLE, more=LOADED, analysis=""):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    (tmp_path / "lanes.csv").write_text(out.getvalue(), encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY.format(more=more, analysis=analysis), encoding="utf-8")
    return sq.Study.read(tmp_path)


def bands(experiments=3, scatter=0.03):
    """Rows of a band table: each blot has its own unit, each lane its load."""
    rng = np.random.default_rng(1)
    rows = []
    for e in range(1, experiments + 1):
        unit = float(np.exp(rng.normal(0, 0.7)))
        for lane, culture in enumerate(CULTURES, 1):
            load = float(np.exp(rng.normal(0, 0.1)))
            amount = AMOUNTS[culture] * float(np.exp(rng.normal(0, scatter)))
            rows.append([str(e), f"b{e}", str(lane), culture, "HER2", f"{1000 * unit * load * amount:.3f}"])
            rows.append([str(e), f"b{e}", str(lane), culture, "tubulin", f"{800 * load:.3f}"])
    return rows


def taken(tmp_path, experiments=3, ceiling=65535):
    """A picture an experiment, HER2 above tubulin, and its lanes."""
    from PIL import Image

    rng, rows = np.random.default_rng(3), []
    for e in range(1, experiments + 1):
        load = np.exp(rng.normal(0, 0.15, 3))
        amounts = np.array([AMOUNTS[culture] for culture in CULTURES])
        pixels = invented_blot(rng, [amounts * load, load], ceiling=ceiling)
        Image.fromarray(pixels).save(tmp_path / f"blot{e}.png")
        rows += [[str(e), f"blot{e}.png", str(lane), culture] for lane, culture in enumerate(CULTURES, 1)]
    return rows


def found(study):
    return {finding.code: finding for finding in walk_bench(study).findings}


def compared(study):
    return {one.condition: one for one in sq.run(study).contents[0].comparisons.recommended}


def test_a_band_table_gives_ratios_by_experiment(tmp_path):
    study = write(tmp_path, bands())
    assert set(found(study)) == set()
    ratios = compared(study)
    assert ratios["TP"].n == (3, 3)
    assert ratios["TP"].effect.value == pytest.approx(0.25, rel=0.05)
    assert ratios["T"].effect.lower < 0.7 < ratios["T"].effect.upper
    assert ratios["TP"].effect.p < 0.01
    (content,) = sq.run(study).contents
    assert content.response == "HER2 / tubulin"
    assert content.levels[0].sd > 0  # the reference keeps its scatter


def test_pictures_are_measured_and_give_the_same(tmp_path):
    study = write(tmp_path, taken(tmp_path), PICTURES, SHOWN)
    walked = walk_bench(study)
    assert {finding.code for finding in walked.findings} == set()
    assert walked.frames["her2"].height == 2 * 3 * 3
    assert [strip.picture for strip in walked.images["her2"].strips] == [
        "blot1.png",
        "blot2.png",
        "blot3.png",
    ]
    assert set(walked.sha256["her2"]) == {"lanes.csv", "blot1.png", "blot2.png", "blot3.png"}
    ratios = compared(study)
    for culture in ("T", "TP"):
        assert ratios[culture].effect.value == pytest.approx(AMOUNTS[culture], rel=0.06)


def test_the_unit_of_a_blot_does_not_matter(tmp_path):
    """Unpaired tests too: a blot exposed ten times longer changes nothing."""
    welch = 'test = "welch"'
    once = compared(write(tmp_path, bands(), analysis=welch))
    longer = [[*row[:5], f"{10 * float(row[5]):.3f}"] if row[1] == "b2" and row[4] == "HER2" else row
              for row in bands()]  # fmt: skip
    twice = compared(write(tmp_path, longer, analysis=welch))
    for culture in ("T", "TP"):
        assert twice[culture].effect.p == pytest.approx(once[culture].effect.p, rel=1e-3)
    raw = compared(write(tmp_path, longer, TABLE, LOADED + '\nbetween = "as read"', welch))
    assert raw["TP"].effect.p > 5 * once["TP"].effect.p


def test_the_reference_may_miss_on_a_blot(tmp_path):
    """Blots are brought together by the lanes that all have; a culture that is on some only keeps its blots."""
    rows = [row for row in bands() if not (row[1] == "b2" and row[3] == "CTR")]
    one = compared(write(tmp_path, rows))["TP"]
    assert one.n == (2, 2)
    assert one.effect.value == pytest.approx(0.25, rel=0.08)
    apart = [row for row in bands() if (row[3] == "CTR") == (row[1] == "b1")]
    with pytest.raises(DataError, match="B261"):
        sq.run(write(tmp_path, apart))
    assert "no usable" not in str(found(write(tmp_path, apart))["I127"])


def drop(rows, wrong):
    return [row for row in rows if not wrong(row)]


def spoil(rows, wrong, column, value):
    return [[value if wrong(row) and name == column else cell for name, cell in zip(TABLE, row, strict=True)]
            for row in rows]  # fmt: skip


def is_band(row, blot="b2", lane="3", target="tubulin"):
    return row[1:3] == [blot, lane] and row[4] == target


@pytest.mark.parametrize(
    ("change", "code", "said", "lost"),
    [
        (lambda rows: drop(rows, is_band), "I122", "1 bands of b2", 1),
        (lambda rows: spoil(rows, is_band, "value", "0"), "I116", "blot b2, tubulin, lanes 3: 0", 1),
        (lambda rows: spoil(rows, is_band, "value", ""), "I116", "lanes 3: nothing", 1),
        (lambda rows: [*rows, next(r for r in rows if is_band(r, target="HER2"))], "I115", "lanes 3, 3", 2),
        (lambda rows: spoil(rows, lambda r: is_band(r, target="HER2"), "culture", "TR"), "B210", "1 rows", 1),
        (lambda rows: spoil(rows, is_band, "value", "9000"), "I123", "fold", 0),
    ],
    ids=["no loading", "nothing there", "no value", "twice", "unknown culture", "uneven loading"],
)
def test_bad_bands_are_said_with_blot_and_lane_and_not_averaged(tmp_path, change, code, said, lost):
    study = write(tmp_path, change(bands()))
    finding = found(study)[code]
    assert said in str(finding)
    frame = walk_bench(study).frames["her2"]
    assert frame.filter(frame["target"] == "HER2")["unused"].is_not_null().sum() == lost
    assert compared(study)["TP"].n == ((2, 2) if lost else (3, 3))


def test_lanes_of_one_blot_that_were_exposed_differently(tmp_path):
    rows = [[*row, "60" if is_band(row, target="HER2") else "10"] for row in bands()]
    study = write(tmp_path, rows, (*TABLE, "exposure"))
    finding = found(study)["I114"]
    assert (finding.where.field, finding.where.line) == ("exposure", 8)
    assert finding.found == "blot b2, HER2, lanes 1, 2, 3: 10, 60"
    assert compared(study)["TP"].n == (2, 2)


def test_a_saturated_band_is_a_lower_limit_and_not_used(tmp_path):
    limit = 1200
    study = write(tmp_path, taken(tmp_path, ceiling=limit), PICTURES, f"{SHOWN}\nceiling = {limit}")
    finding = found(study)["I112"]
    assert finding.where.file == "blot3.png"
    assert "HER2 lane 1" in finding.found
    frame = walk_bench(study).frames["her2"]
    assert set(frame.filter(frame["culture"] == "CTR")["unused"]) == {"saturated: at least this much"}


def test_saturation_below_the_limit_of_the_file_is_seen(tmp_path):
    from PIL import Image

    rows = taken(tmp_path)
    assert not {"I104", "I105", "I112"} & set(found(write(tmp_path, rows, PICTURES, SHOWN)))
    pixels = np.asarray(Image.open(tmp_path / "blot2.png"))
    for name, cut in (
        ("blot1.png", pixels),
        ("blot2.png", pixels.max() - pixels),
    ):  # bright bands, dark bands
        level = int(np.quantile(pixels, 0.98)) if name == "blot1.png" else int(np.quantile(cut, 0.02))
        cut = np.minimum(cut, level) if name == "blot1.png" else np.maximum(cut, level)
        Image.fromarray(cut.astype(np.uint16)).save(tmp_path / name)
    findings = [one for one in walk_bench(sq.Study.read(tmp_path)).findings if one.code == "I112"]
    assert {finding.where.file for finding in findings} == {"blot1.png", "blot2.png"}


def test_one_picture_is_one_experiment(tmp_path):
    rows = taken(tmp_path)
    (tmp_path / "blot2.png").write_bytes((tmp_path / "blot1.png").read_bytes())
    study = write(tmp_path, rows, PICTURES, SHOWN)
    findings = [one for one in walk_bench(study).findings if one.code == "I108"]
    assert {finding.where.file for finding in findings} == {"blot1.png", "blot2.png"}
    assert findings[0].found == "the same as blot2.png"
    assert walk_bench(study).frames["her2"]["unused"].drop_nulls().len() == 6


@pytest.mark.parametrize(
    ("name", "code"),
    [("blot2.jpg", "I102"), ("renamed.png", "I102"), ("packed.tif", "I102"), ("mask.png", "I107"),
     ("absent.png", "I101"), ("words.png", "I101")],
)  # fmt: skip
def test_a_picture_that_cannot_be_measured_takes_its_lanes_only(tmp_path, name, code):
    from PIL import Image

    rows = taken(tmp_path)
    Image.open(tmp_path / "blot2.png").convert("L").save(tmp_path / "blot2.jpg")
    (tmp_path / "words.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "renamed.png").write_bytes((tmp_path / "blot2.jpg").read_bytes())
    Image.open(tmp_path / "blot2.jpg").save(tmp_path / "packed.tif", compression="jpeg")
    pixels = np.asarray(Image.open(tmp_path / "blot2.png"))
    Image.fromarray(pixels > pixels.mean()).save(tmp_path / "mask.png")
    rows = [[row[0], name if row[1] == "blot2.png" else row[1], *row[2:]] for row in rows]
    study = write(tmp_path, rows, PICTURES, SHOWN)
    finding = found(study)[code]
    assert (finding.severity, finding.where.file) == ("error", name)
    assert compared(study)["TP"].n == (2, 2)
    assert f"its picture cannot be measured ({code})" in str(sq.run(study).tables["rows"].rows)


def test_eight_bits_and_lanes_that_are_not_there(tmp_path):
    from PIL import Image

    rows = taken(tmp_path)
    for e in (1, 2, 3):
        pixels = np.asarray(Image.open(tmp_path / f"blot{e}.png")).astype(float)
        Image.fromarray((255 * pixels / pixels.max()).astype(np.uint8)).save(tmp_path / f"blot{e}.png")
    rows.append(["1", "blot1.png", "4", "TP"])
    study = write(tmp_path, rows, PICTURES, f"{SHOWN}\nlanes = 3")
    assert found(study)["I103"].where.file.startswith("blot")
    left = [row.label for row in sq.run(study).tables["rows"].rows]
    assert "the picture has no such lane" in left


def test_one_experiment_is_shown_and_not_tested(tmp_path):
    study = write(tmp_path, bands(1))
    assert found(study)["B212"].found == "1 experiment in 2 bands"
    assert "needs 3" in compared(study)["TP"].effect.reason
    unnamed = write(tmp_path, [row[1:] for row in bands()], TABLE[1:])
    assert "bands of `her2` do not say" in found(unnamed)["B211"].message
    assert compared(unnamed)["TP"].effect.reason.startswith("experiments are not named")


def test_no_loading_control_is_said(tmp_path):
    study = write(tmp_path, bands(), more="")
    assert found(study)["I121"].severity == "warning"
    assert sq.run(study).contents[0].response == "HER2"


def test_phosphorylated_over_total_from_two_blots(tmp_path):
    """The phosphorylated band on a blot of its own, with its own loading control."""
    rows = bands()
    rows += [[row[0], "p" + row[1], row[2], row[3], "pHER2" if row[4] == "HER2" else row[4],
              f"{float(row[5]) * (0.5 if row[3] == 'TP' and row[4] == 'HER2' else 1):.3f}"]
             for row in bands()]  # fmt: skip
    more = LOADED + '\nphospho = { pHER2 = "HER2" }'
    study = write(tmp_path, rows, more=more)
    text = (tmp_path / "study.toml").read_text("utf-8").replace('target = "HER2"', 'target = "pHER2/HER2"')
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    ratios = compared(sq.Study.read(tmp_path))
    assert ratios["TP"].effect.value == pytest.approx(0.5, rel=1e-3)
    assert ratios["T"].effect.value == pytest.approx(1.0, rel=1e-3)
    assert found(study).keys() == set()


def test_fractions_are_freed_of_each_other(tmp_path):
    """Nuclear shares 0.1 and 0.5, a tenth of the cytoplasm in the nuclei, a twentieth of the nuclei in the cytoplasm."""
    header, rows = ("experiment", "blot", "lane", "culture", "fraction", "target", "value"), []
    truth = {"CTR": 0.1, "TP": 0.5}
    for e in (1, 2, 3):
        for place, (culture, share) in enumerate(truth.items()):
            share = share * (1 + 0.01 * e)
            pure = {"HER2": (share, 1 - share), "lamin A": (1.0, 0.0), "tubulin": (0.0, 1.0)}
            for target, (n, c) in pure.items():
                seen = {"N": n * 0.95 + c * 0.1, "C": c * 0.9 + n * 0.05}
                for nth, fraction in enumerate("NC"):
                    lane = str(2 * place + nth + 1)
                    rows.append(
                        [str(e), f"b{e}", lane, culture, fraction, target, f"{1000 * seen[fraction]:.4f}"]
                    )
    more = 'loading = { N = "lamin A", C = "tubulin" }\nnuclear = "lamin A"\ncytoplasmic = "tubulin"'
    study = write(tmp_path, rows, header, more)
    text = (tmp_path / "study.toml").read_text("utf-8").replace('"band"', '"nuclear_share"')
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    study = sq.Study.read(tmp_path)
    assert set(found(study)) == {"I131", "I133"}  # a tenth of cytoplasm; no marker of the membrane
    (content,) = sq.run(study).contents
    assert [level.mean for level in content.levels] == pytest.approx([0.102, 0.51], rel=1e-3)
    assert content.comparisons.recommended[0].effect.value == pytest.approx(5, rel=1e-3)
    assert "lamin A and tubulin" in content.notes[0]


def test_doses_and_fractions_must_be_chosen(tmp_path):
    rows = [[*row[:3], row[3], row[4], row[5], "0" if int(row[2]) < 3 else "1"] for row in bands()]
    with pytest.raises(DataError, match="several doses"):
        sq.run(write(tmp_path, rows, (*TABLE, "dose")))
    assert set(compared(write(tmp_path, rows, (*TABLE, "dose"), analysis="dose = 0"))) == {"T"}


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ('target = "HER2"', "", "S133", 21),
        ('"band"', '"nuclear_share"', "S133", 21),
        ('"band"', '"viability"', "S132", 20),
        ('loading = "tubulin"', 'loadin = "tubulin"', "S103", 14),
    ],
)
def test_a_study_that_cannot_be_meant(tmp_path, old, new, code, line):
    write(tmp_path, bands())
    text = (tmp_path / "study.toml").read_text("utf-8").replace(old, new)
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=code) as fault:
        sq.Study.read(tmp_path)
    assert fault.value.findings[0].where.line == line


def test_a_table_of_neither_bands_nor_pictures(tmp_path):
    with pytest.raises(DataError, match="I110"):
        walk_bench(write(tmp_path, [row[:5] for row in bands()], TABLE[:5]))
    with pytest.raises(DataError, match=r"R10\d"):
        walk_bench(write(tmp_path, [["1", "CTR"]], ("experiment", "culture")))


def shown(study):
    text = (
        STUDY[: STUDY.index("[[analyses]]")]
        + '[[analyses]]\nkind = "blots"\nid = "b"\ntitle = "B"\nassay = "her2"\n'
    )
    path = Path(study.path)
    path.write_text(
        text.format(more=path.read_text("utf-8").split('file = "lanes.csv"\n')[1].split("\n\n")[0]), "utf-8"
    )
    return sq.Study.read(path)


def test_blots_are_shown_as_they_were_taken(tmp_path):
    study = shown(write(tmp_path, taken(tmp_path), PICTURES, f'{SHOWN}\nweights = {{ HER2 = "185 kDa" }}'))
    (content,) = sq.run(study, tmp_path / "out").contents
    assert content.scale == "Relative to CTR"
    assert [(one.name, [strip.target for strip in one.strips]) for one in content.blots] == [
        (f"blot{e}.png", ["HER2", "tubulin"]) for e in (1, 2, 3)
    ]
    assert content.blots[0].strips[0].weight == "185 kDa"
    assert [lane.culture for lane in content.blots[0].lanes] == list(CULTURES)
    (her2,) = content.quantities  # the loading control is shown and not quantified
    assert her2.groups[0].values.tolist() == [1, 1, 1]
    assert her2.groups[2].values == pytest.approx([0.25] * 3, rel=0.1)
    assert (tmp_path / "out" / "figures" / "b.svg").exists()


def test_band_tables_are_shown_with_what_is_lost(tmp_path):
    rows = spoil(bands(), lambda row: is_band(row, target="HER2"), "value", "0")
    (content,) = sq.run(shown(write(tmp_path, rows)), tmp_path / "out").contents
    assert content.blots == ()
    (her2,) = content.quantities
    assert her2.unused == (("TP", "2", "a band has no amount above zero"),)
    assert len(her2.groups[2].values) == 2


def test_treated_cultures_are_conditions_of_their_own(tmp_path):
    treated = [[*row[:2], str(int(row[2]) + 3), *row[3:5], str(0.5 * float(row[5])) if row[4] == "HER2" else row[5], "1"]
               for row in bands()]  # fmt: skip
    rows = [[*row, "0"] for row in bands()] + treated
    (content,) = sq.run(
        shown(write(tmp_path, rows, (*TABLE, "dose"), f'{LOADED}\ndose_unit = "ug/ml"'))
    ).contents
    assert content.scale == "Relative to CTR, untreated"
    (her2,) = content.quantities
    assert [group.name for group in her2.groups[:2]] == ["CTR, untreated", "CTR, 1 ug/ml"]
    assert her2.groups[1].values == pytest.approx([0.5] * 3, rel=1e-3)
