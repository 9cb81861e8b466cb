"""Blot strips show the file's own pixels, lanes as they lie, with what limits them; values below are the data."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from sequela.bench.bands import normalised_bands, to_reference
from sequela.bench.blots import measure_blot
from sequela.bench.pictures import picture
from sequela.core.wording import number
from sequela.report.content import Heading
from sequela.report.content_tables import House
from sequela.report.figures.blot_figure import Quantified, blot_figure
from sequela.report.figures.blot_strips import LaneLabel, ends_of, strips_of
from sequela.report.figures.figure import save
from sequela.report.figures.rasters import Limits, grey_levels, shrunk
from sequela.report.figures.superplot import Super
from sequela.report.image_content import Blotted
from sequela.report.image_tables import blots as blots_table
from sequela.report.image_tables import relatives
from sequela.virtual.pictures import invented_blot

if TYPE_CHECKING:
    from pathlib import Path

    from sequela.report.figures import Figure

CULTURES = ("CTR", "T", "P", "T+P")
AMOUNTS = np.array([[1.0, 0.7, 0.6, 0.2], [1.0, 1.0, 0.95, 1.05]])


def measured(seed: int = 1, amounts=AMOUNTS, ceiling: int = 65535, **more):
    pixels = invented_blot(np.random.default_rng(seed), amounts, ceiling=ceiling, **more)
    source = picture(pixels, f"blot-{seed}.tif", ceiling=ceiling)
    return pixels, measure_blot(source, lanes=pixels.shape[1] // 54, bands=["HER2", "HSP70"])


def labelled(blot, experiment: str = "1"):
    return strips_of(blot, [LaneLabel(name, experiment) for name in CULTURES], weights={"HER2": "185 kDa"})


def quantified(blots) -> Quantified:
    frames = [
        blot.frame().rename({"band": "target", "volume": "value"}).with_columns(
            blot=pl.lit(str(at)), experiment=pl.lit(str(at + 1)),
            culture=pl.col("lane").replace_strict(dict(enumerate(CULTURES, 1))))
        for at, blot in enumerate(blots)
    ]  # fmt: skip
    ratios, _ = normalised_bands(pl.concat(frames), "HSP70")
    rows, _ = to_reference(ratios, "CTR")
    used = {name: rows.filter((pl.col("culture") == name) & pl.col("unused").is_null()) for name in CULTURES}
    groups = tuple(
        Super(name, own["relative"].to_numpy(), tuple(own["experiment"].to_list()))
        for name, own in used.items()
    )
    lost = rows.filter(pl.col("unused").is_not_null()).select("culture", "experiment", "unused").rows()
    return Quantified("HER2 / HSP70", groups, tuple(lost))


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.draw.texts]


def images(figure: Figure):
    return [image for axes in figure.draw.axes for image in axes.get_images()]


def test_a_strip_is_one_rectangle_of_the_file_with_all_lanes_in_order():
    pixels, blot = measured(degrees=0)
    shown = labelled(blot)
    assert blot.degrees == 0
    assert not blot.dark
    for strip in shown.strips:
        rows, columns = strip.signal.shape
        part = pixels[strip.top : strip.top + rows, shown.left : shown.left + columns]
        assert np.array_equal(strip.signal + shown.zero, part)
        assert shown.left <= blot.lanes[0][0] + 1
        assert shown.left + columns >= min(blot.lanes[-1][1], pixels.shape[1])
        assert ends_of(shown, strip) == (f"white {number(part.min(), 0)}", f"black {number(part.max(), 0)}")
    figure = blot_figure([shown], [])
    lanes = [word for word in words(figure) if word in CULTURES]
    assert lanes == list(CULTURES)
    places = [text.get_position()[0] for text in figure.draw.texts if text.get_text() in CULTURES]
    assert places == sorted(places)
    assert {"HER2", "185 kDa", "HSP70", "experiment 1"} <= set(words(figure))
    assert "Bright bands of the file are shown dark (inverted)." in figure.caption


def test_dark_bands_keep_the_files_own_grey():
    pixels = 60000 - invented_blot(np.random.default_rng(2), AMOUNTS).astype(int)
    blot = measure_blot(picture(pixels.astype(np.uint16), "dark.tif"), lanes=4, bands=["HER2", "HSP70"])
    assert blot.dark
    shown = labelled(blot)
    strip = shown.strips[0]
    white, black = shown.grey(strip.limits.low), shown.grey(strip.limits.high)
    assert white > black
    assert black == pixels[strip.top : strip.top + len(strip.signal)].min()
    assert "inverted" not in blot_figure([shown], []).caption


def test_grey_is_a_straight_line_and_the_same_for_all_lanes():
    values = np.array([[0, 25, 50, 75, 100]])
    level = grey_levels(values, Limits(0, 100))[0, :, 0]
    assert level.tolist() == [0, 64, 128, 191, 255]
    assert grey_levels(values, Limits(0, 100), inverted=True)[0, :, 0].tolist() == [255, 191, 128, 64, 0]
    _, blot = measured()
    shown = labelled(blot)
    drawn = np.asarray(images(blot_figure([shown], []))[0].get_array())
    strip = shown.strips[0]
    assert drawn[..., 0].min() <= 25  # the strongest band, means of pixels where it is shrunk
    lane = [drawn[:, drawn.shape[1] * at // 4 : drawn.shape[1] * (at + 1) // 4, 0].min() for at in range(4)]
    assert lane == sorted(lane)  # amounts fall from 1 to 0.2
    assert lane[3] > 150
    assert strip.limits == Limits(float(strip.signal.min()), float(strip.signal.max()))


def test_pixels_are_averaged_to_print_resolution_and_never_multiplied():
    from sequela.report.figures.page import Box

    big = np.random.default_rng(1).integers(0, 256, (200, 4000, 3)).astype(np.uint8)
    small = shrunk(big, Box(0, 0, 100, 5))
    assert small.shape[1] == pytest.approx(100 / 25.4 * 300, abs=1)
    assert small.mean() == pytest.approx(big.mean(), abs=0.5)
    assert shrunk(big[:10, :10], Box(0, 0, 100, 100)).shape == (10, 10, 3)


def test_one_footnote_names_every_file_that_it_is_about():
    sources = [
        picture((invented_blot(np.random.default_rng(at), AMOUNTS) // 16).astype(np.uint8), f"{at}.png")
        for at in (1, 2)
    ]
    shown = [labelled(measure_blot(one, lanes=4, bands=["HER2", "HSP70"])) for one in sources]
    told = [word for word in words(blot_figure(shown, [])) if "256 steps" in word]
    assert told == ["! 1.png, 2.png: 8 bits: 256 steps between black and white."]


def test_saturated_pixels_are_painted_bands_marked_and_the_footnote_says_it():
    _, blot = measured(ceiling=1500)
    figure = blot_figure([labelled(blot)], [quantified([blot])])
    assert any(band.reason for band in blot.bands)
    assert words(figure).count("≥") == sum(1 for band in blot.bands if band.reason)
    painted = np.asarray(images(figure)[0].get_array())
    assert (painted == (0xE0, 0x45, 0x00)).all(axis=-1).any()
    notes = " ".join(words(figure))
    assert "pixels at the limit of the camera" in notes
    assert "saturated bands, whose volumes are lower limits" in notes
    assert sum(figure.more["strips"]["pixels_at_limit"]) > 0
    clean = blot_figure([labelled(measured()[1])], [])
    assert not any(
        (np.asarray(one.get_array()) == (0xE0, 0x45, 0x00)).all(axis=-1).any() for one in images(clean)
    )


@pytest.mark.parametrize("disguised", [False, True], ids=["uint8", "8 bits in 16"])
def test_eight_bits_are_said_below_the_figure(disguised):
    pixels = invented_blot(np.random.default_rng(4), AMOUNTS)
    eight = np.round(255 * (pixels / pixels.max())).astype(np.uint8)
    made = eight.astype(np.uint16) * 257 if disguised else eight
    source = picture(made, "eight.tif")
    assert [one.code for one in source.findings].count("I103") == 1
    blot = measure_blot(source, lanes=4, bands=["HER2", "HSP70"])
    assert any(
        "256 steps" in word and word.startswith("! eight.tif")
        for word in words(blot_figure([labelled(blot)], []))
    )
    assert "I103" not in [one.code for one in picture(pixels, "deep.tif").findings]
    dim = np.random.default_rng(1).integers(100, 300, (100, 100)).astype(np.uint16)
    assert not picture(dim).findings  # few values, each step of the camera's own


def test_values_drawn_are_the_values_given_and_the_files_are_complete(tmp_path: Path):
    blots = [measured(seed)[1] for seed in (1, 2, 3)]
    shown = [labelled(blot, str(at + 1)) for at, blot in enumerate(blots)]
    value = quantified(blots)
    figure = blot_figure(
        shown, [value], id="blots", y_label="Relative to CTR", banner="Simulated measurements"
    )
    assert figure.data["value"] == [float(v) for group in value.groups for v in group.values]
    assert figure.data["condition"] == [group.name for group in value.groups for _ in group.values]
    assert len(figure.more["bands"]["volume"]) == 3 * 4 * 2
    assert figure.more["bands"]["culture"][:4] == list(CULTURES)
    volumes = [band.volume for band in blots[0].bands if band.name == "HER2"]
    assert figure.more["bands"]["volume"][:4] == volumes
    panel = figure.draw.axes[-1]
    large = [
        line for line in panel.get_lines() if line.get_markersize() == 6.0 and line.get_marker() != "None"
    ]
    drawn = sorted(float(line.get_ydata()[0]) for line in large)
    assert drawn == pytest.approx(sorted(figure.more["experiments"]["mean"]))
    assert panel.get_yscale() == "log"
    paths = save(figure, tmp_path)
    assert {"svg", "pdf", "png", "csv", "experiments", "bands", "strips"} == set(paths)
    svg = ElementTree.parse(paths["svg"])
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}image"))) == 6
    assert paths["svg"].stat().st_size < 600_000
    with paths["strips"].open(encoding="utf-8") as lines:
        assert next(lines) == "# Simulated measurements\n"
        rows = list(csv.DictReader(lines))
    assert [row["target"] for row in rows] == ["HER2", "HSP70"] * 3
    assert float(rows[0]["black"]) > float(rows[0]["white"])


def test_lanes_without_a_value_are_counted_and_shown_at_the_edge():
    faint = AMOUNTS.copy()
    faint[0, 3] = 0.002
    blots = [measured(1)[1], measured(2, faint)[1]]
    value = quantified(blots)
    assert [row[0] for row in value.unused] == ["T+P"]
    figure = blot_figure([], [value])
    assert "Lanes not used: 1 not detected." in figure.caption
    marks = [line for line in figure.draw.axes[0].get_lines() if line.get_marker() == "v"]
    assert len(marks) == 1
    assert figure.more["unused"]["reason"] == ["not detected"]
    assert "T+P: n = 1, 1 lanes" in figure.caption


def test_without_a_picture_only_the_values_are_drawn():
    figure = blot_figure([], [quantified([measured()[1]])])
    assert "From a band table: no picture was given." in figure.caption
    assert not images(figure)
    assert "strips" not in figure.more
    assert figure.more["experiments"]["experiment"] == ["1"] * 4  # one experiment is shown as one


def test_a_turned_blot_says_so_and_labels_must_fit_the_lanes():
    _, blot = measured(degrees=2.0)
    assert blot.degrees
    figure = blot_figure([labelled(blot)], [])
    assert f"Turned to lie level: blot-1.tif by {blot.degrees:+g}°." in figure.caption
    with pytest.raises(ValueError, match="3 labels for 4 lanes"):
        strips_of(blot, [LaneLabel("CTR")] * 3)


def test_long_names_stand_upright_and_a_ladder_keeps_its_place():
    _, blot = measured()
    labels = [LaneLabel(word="ladder"), *(LaneLabel(f"{name}-resistant line", "1") for name in CULTURES[1:])]
    figure = blot_figure([strips_of(blot, labels)] * 3, [])
    upright = [text.get_text() for text in figure.draw.texts if text.get_rotation() == 90]
    assert upright[:4] == ["ladder", "T-resistant line", "P-resistant line", "T+P-resistant line"]
    assert "lanes ladder, T-resistant line" in figure.alt


def test_tables_hold_the_means_and_what_every_blot_allows():
    blots = [measured(seed)[1] for seed in (1, 2, 3)]
    value = quantified(blots)
    heading = Heading("her2", "HER2", "", "Blot.")
    content = Blotted(heading, "Relative to CTR", tuple(map(labelled, blots)), (value,), simulated=True)
    house = House.of("plain", "month", None)
    table = relatives(content, house, "Simulated")
    cell = table.rows[3].cells[0]
    assert cell.value == pytest.approx(np.exp(np.log(value.groups[3].values).mean()))
    assert cell.text.endswith("(3)")
    assert table.rows[0].cells[0].text == "1.00 (3)"
    assert [row.cells[1].value for row in blots_table(content, house, None).rows] == [8, 8, 8]
    named = replace(content, blots=(replace(content.blots[0], name="Blot 1"),))
    assert [cell.text for cell in blots_table(named, house, None).rows[0].cells][:3] == [
        "blot-1.tif",
        "4",
        "8",
    ]
    emptied = replace(value, groups=(replace(value.groups[0], values=np.zeros(0), experiments=()),))
    assert relatives(replace(content, quantities=(emptied,)), house, None).rows[0].cells[0].text == "–"
