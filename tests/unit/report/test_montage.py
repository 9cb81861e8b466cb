"""Fields stand under one grey scale with the outlines that were measured; values beside them are of experiments."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from PIL import Image

from sequela.bench.cells import from_labels
from sequela.bench.localisation import localise, per_experiment
from sequela.bench.pictures import picture, read_picture
from sequela.report.content import Heading
from sequela.report.content_tables import House
from sequela.report.figures.fields import around, common_limits, field_of, level_lines, middle_square
from sequela.report.figures.figure import save
from sequela.report.figures.montage import montage
from sequela.report.figures.rasters import Limits, bar_length, footnotes, magenta_green, share
from sequela.report.figures.superplot import Super
from sequela.report.image_content import Located, Pictured
from sequela.report.image_tables import located
from sequela.virtual.pictures import invented_cells

SHARES = {"CTR": 0.6, "T+P": 0.15}


@lru_cache(maxsize=1)
def made():
    """Two conditions of two experiments: fields, rows of cells, values of experiments."""
    rng = np.random.default_rng(1)
    fields, rows = [], []
    for name, membrane in SHARES.items():
        for experiment in "12":
            cells = invented_cells(rng, membrane=membrane, grid=3, pitch=60)
            target = picture(cells.target, f"{name}-{experiment}.tif")
            found = localise(target, from_labels(cells.cells, cells.nuclei), modality="confocal", blur=1.5)
            known = {"condition": name, "experiment": experiment}
            fields.append(
                field_of(
                    target,
                    from_labels(cells.cells, cells.nuclei),
                    found,
                    nuclear=picture(cells.nuclear),
                    **known,
                )
            )
            rows.append(
                found.cells.with_columns(
                    culture=pl.lit(name), experiment=pl.lit(experiment), field=pl.lit("1")
                )
            )
    frame = pl.concat(rows)
    return tuple(fields[::2]), frame, per_experiment(frame, "membrane")


def groups() -> tuple[Super, ...]:
    _, frame, means = made()
    found = []
    for name in SHARES:
        own = frame.filter((pl.col("culture") == name) & pl.col("unused").is_null())
        large = means.filter(pl.col("culture") == name)
        found.append(Super(name, own["membrane"].to_numpy(), tuple(own["experiment"]),
                           large=dict(zip(large["experiment"], large["value"], strict=True))))  # fmt: skip
    return tuple(found)


def images(figure):
    return [np.asarray(image.get_array()) for axes in figure.draw.axes for image in axes.get_images()]


def words(figure):
    return [text.get_text() for text in figure.draw.texts]


def white_lines(figure):
    return [
        one for one in figure.draw.get_children() if isinstance(one, Line2D) and one.get_color() == "#FFFFFF"
    ]


def test_all_fields_are_between_the_same_black_and_white():
    fields, _, _ = made()
    figure = montage(fields, groups(), target="HER2", nuclear="DNA", pixel_um=0.5)
    limits = common_limits([one.target for one in fields])
    assert set(figure.more["fields"]["black"]) == {limits.low}
    assert set(figure.more["fields"]["white"]) == {limits.high}
    assert f"HER2 {limits}" in figure.caption
    shown = images(figure)
    assert len(shown) == 2 * 3
    side = figure.more["fields"]["side"][0]
    for one, drawn in zip(fields, (shown[0], shown[3]), strict=True):
        level = np.round(255 * share(one.target[middle_square(one.target.shape, side)], limits))
        assert np.array_equal(drawn[..., 0], level)
        assert np.array_equal(drawn[..., 0], drawn[..., 2])
    assert [word for word in words(figure) if word in SHARES][:2] == list(SHARES)


def test_two_stains_are_magenta_and_green():
    both = magenta_green(np.array([[1, 0, 1]]), np.array([[0, 1, 1]]), Limits(0, 1), Limits(0, 1))
    assert both.tolist() == [[[255, 0, 255], [0, 255, 0], [255, 255, 255]]]


def test_the_band_lies_where_the_membrane_was_fitted_and_is_as_wide_as_the_blur():
    yy, xx = np.mgrid[:60, :60]
    labels = (np.hypot(yy - 30, xx - 30) < 20).astype(int)
    ((depth, at),) = around(labels, (slice(0, 60), slice(0, 60))).values()
    for offset in (0.0, 3.0, -3.0):
        (line,) = level_lines(depth, offset, at)
        far = np.hypot(line[:, 0] - 30.5, line[:, 1] - 30.5)
        assert far.mean() == pytest.approx(20 - offset, abs=0.6)
    fields, _, _ = made()
    figure = montage(fields, (), pixel_um=0.5)
    measured = figure.draw.axes[2]
    bands, kept, left, cores = (one for one in measured.collections if isinstance(one, LineCollection))
    assert len(kept.get_segments()) == len(bands.get_segments()) == len(fields[0].offsets)
    assert len(kept.get_segments()) + len(left.get_segments()) == 9
    assert len(cores.get_segments()) == 9
    side = figure.more["fields"]["side"][0]
    box = measured.get_position().width * figure.draw.get_figwidth() * 72
    assert bands.get_linewidth()[0] == pytest.approx(2 * 1.5 * box / side)
    assert "with a band where the membrane was found" in figure.caption
    unknown = montage([replace(one, blur=float("nan")) for one in fields], ())
    assert len(unknown.draw.axes[2].collections) == 3
    assert "band" not in unknown.caption


def test_the_scale_bar_is_as_long_as_it_says_and_left_out_without_a_pixel_size():
    fields, _, _ = made()
    figure = montage(fields, (), pixel_um=0.5)
    side = figure.more["fields"]["side"][0]
    length = bar_length(0.5 * side)
    bars = white_lines(figure)
    assert len(bars) == 6
    wide = np.ptp(bars[0].get_xdata()) / figure.draw.axes[0].get_position().width
    assert wide == pytest.approx(length / (0.5 * side))
    assert f"{length:g} µm" in words(figure)
    without = montage(fields, ())
    assert "No scale bar: the size of a pixel is not known." in without.caption
    assert not white_lines(without)
    assert [bar_length(width) for width in (0.9, 8, 41, 100, 999, 10**5)] == [0.225, 2, 10, 25, 200, 1000]


def test_large_marks_are_the_values_of_experiments_and_not_means_of_cells(tmp_path: Path):
    fields, frame, means = made()
    figure = montage(
        fields, groups(), id="cells", target="HER2", y_label="Membrane", banner="Simulated measurements"
    )
    assert figure.more["experiments"]["mean"] == means["value"].to_list()
    assert len(figure.data["value"]) == frame.filter(pl.col("unused").is_null()).height
    paths = save(figure, tmp_path)
    assert set(paths) == {"svg", "pdf", "png", "csv", "experiments", "fields"}
    svg = ElementTree.parse(paths["svg"])
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}image"))) == 6
    assert paths["svg"].stat().st_size < 1_500_000
    assert paths["svg"].read_bytes() == save(figure, tmp_path / "again")["svg"].read_bytes()
    assert "T+P: n = 2" in figure.caption
    panel = figure.draw.axes[-1]
    drawn = [
        line.get_ydata()[0]
        for line in panel.get_lines()
        if line.get_markersize() == 6 and line.get_marker() != "None"
    ]
    assert sorted(drawn) == pytest.approx(sorted(means["value"]))


def test_a_table_of_cells_without_pictures_has_only_the_superplot():
    figure = montage((), groups()[:1])
    assert not images(figure)
    assert "fields" not in figure.more
    assert "scale bar" not in figure.caption.lower()


def test_fields_of_other_sizes_are_cut_to_the_smallest():
    fields, _, _ = made()
    small = replace(fields[1], target=fields[1].target[:100, :120], nuclear=None, cells=fields[1].cells[:100, :120],
                    nuclei=fields[1].nuclei[:100, :120])  # fmt: skip
    figure = montage([fields[0], small], (), pixel_um=1.0)
    assert figure.more["fields"]["side"] == [100, 100]
    assert figure.more["fields"]["left"][1] == 10


def test_a_jpeg_and_saturated_cells_are_said_below_the_figure(tmp_path: Path):
    cells = invented_cells(np.random.default_rng(3), grid=3, pitch=60)
    path = tmp_path / "field.jpg"
    Image.fromarray(np.minimum(cells.target // 4, 255).astype(np.uint8)).save(path)
    target = read_picture(path)
    found = from_labels(cells.cells, cells.nuclei)
    measured = localise(target, found, blur=1.5)
    figure = montage([field_of(target, found, measured, condition="CTR")], ())
    notes = [word for word in words(figure) if word.startswith("! ")]
    assert any("lossy compression" in note and "field.jpg" in note for note in notes)
    assert any("8 bits" in note for note in notes)
    assert any("saturated" in note or "limit of the camera" in note for note in notes)
    assert any("Widefield" in note for note in notes)
    assert footnotes([*measured.findings, *measured.findings]) == footnotes(measured.findings)


def test_the_table_counts_cells_that_are_left_out_with_their_reason():
    rows = (
        Located(
            "CTR",
            3,
            6,
            120,
            (("saturated", 4), ("too small", 2)),
            (("Membrane", 0.6, 0.02), ("Nucleus", np.nan, np.nan)),
        ),
    )
    content = Pictured(
        Heading("cells", "HER2", "", ""), "HER2", "DNA", "Membrane", None, (), groups(), rows, simulated=False
    )
    table = located(content, House.of("plain", "month", None), None)
    assert [cell.text for cell in table.rows[0].cells] == ["3 (6)", "120", "6", "0.600 (0.020)", "–"]
    assert table.rows[0].cells[2].notes == ("CTR: 4 saturated, 2 too small.",)
