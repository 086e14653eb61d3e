"""The whole evaluation on made recitation, and the pages that show it."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from recitation.accuracy.charts import Axis, Bar, Point, Series, chart, horizontal, intervals, lines, steps_to, vertical
from recitation.accuracy.clips import Utterance
from recitation.accuracy.page import html_page
from recitation.accuracy.plots import plots
from recitation.accuracy.run import Options, evaluate
from recitation.accuracy.tables import MarksError, figures, markdown, spelled, summary, write_docs
from recitation.phones import INDEX

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def utterance(ikhlas_file: Path) -> Utterance:
    """112:1-2 by a made voice."""
    return Utterance(ikhlas_file, ("112:1", "112:2"), "made", "man1", 0, 65_000)


@pytest.fixture(scope="module")
def result(utterance: Utterance) -> dict[str, Any]:
    """As perf/accuracy prints it."""
    done: list[int] = []
    groups = evaluate([utterance], Options(all_lookaheads=True, rounds=2), progress=done.append)
    assert done == [1]
    found: dict[str, Any] = json.loads(json.dumps(groups))
    return {"model": "0123456789ab", "engine": "onnx", "lookahead_ms": 80, "groups": found}


def test_figures_of_a_made_recitation(result: dict[str, Any]) -> None:
    row = result["groups"]["made"]
    assert (row["clips"], row["words"]) == (1, 6)
    assert row["units"] == 31
    assert list(row["per_by_lookahead"]) == ["0", "80", "240", "full"]
    assert row["per"] == row["per_by_lookahead"]["80"]["per"] < 0.6
    assert row["per_full_context"] == row["per_by_lookahead"]["full"]["per"]
    assert row["per_ci"][0] <= row["per"] <= row["per_ci"][1]
    for share in ("cursor_within_one_word", "stream_offline_agreement", "words_in_place", "false_alarm_rate"):
        assert 0 <= row[share] <= 1
    assert row["cursor_within_one_word"] > 0.6
    assert {"recall", "precision", "f1", "auc", "named_right"} <= row["counterfactual"].keys()
    assert row["emission_delay_ms"]["n"] > 10


def test_streaming_agrees_with_offline(result: dict[str, Any]) -> None:
    row = result["groups"]["made"]
    assert row["largest_log_prob_difference"] < 1e-3
    assert row["per_offline"] == row["per"]


def test_processes_change_nothing_and_groups_are_kept_apart(utterance: Utterance) -> None:
    others = [Utterance(utterance.file, ("112:1",), group, "", start, 32_000) for start in (0, 8_000) for group in "ba"]
    options = Options(following=False)
    done: list[int] = []
    alone = evaluate([utterance, *others], options)
    assert evaluate([utterance, *others], options, processes=2, progress=done.append) == alone
    assert sum(done) == 5
    assert list(alone) == ["a", "b", "made"]
    assert alone["a"] == alone["b"] != alone["made"]
    assert "words" not in alone["a"]


def test_fewer_look_aheads_are_heard_when_fewer_are_asked_for() -> None:
    assert Options(lookahead_ms=240, following=False).lookaheads_ms == (240,)
    assert Options(lookahead_ms=240).lookaheads_ms == (0, 240)
    assert Options(all_lookaheads=True).lookaheads_ms == (0, 80, 240)


def test_big_models_are_followed_at_their_look_ahead(utterance: Utterance, tmp_path: Path) -> None:
    checkpoints = pytest.importorskip("tiny_checkpoints")
    source = checkpoints.wav2vec2(tmp_path / "tiny")
    options = Options(f"hf:{source}", lookahead_ms=240, rounds=1)
    assert options.lookaheads_ms == (240,)
    short = replace(utterance, verses=("112:1",), samples=24_000)
    row = evaluate([short], options)["made"]
    assert row["words"] == 4
    assert list(row["per_by_lookahead"]) == ["240"]
    assert not {"per_offline", "per_full_context"} & row.keys()


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_stands_alone(result: dict[str, Any]) -> None:
    text = html_page(result, b"font")
    page = Tags()
    page.feed(text)
    pictures = list(plots(result["groups"]))
    assert page.seen.count("svg") == len(pictures) >= 5
    assert page.links == [] and "script" not in page.seen
    assert re.findall(r"url\((.{5})", text) == ["data:"]
    assert "0123456789ab" in text
    assert page.seen.count("table") == 2


def test_pictures_are_files_of_their_own(result: dict[str, Any]) -> None:
    for plot in plots(result["groups"]):
        svg = ElementTree.fromstring(plot.svg(alone=True))
        assert svg.findtext(f"{SVG}title") == plot.title
        assert svg.find(f"{SVG}style") is not None
        width, height = map(float, svg.attrib["viewBox"].split()[2:])
        for text in svg.iter(f"{SVG}text"):
            assert 0 <= float(text.attrib["x"]) <= width and 0 < float(text.attrib["y"]) <= height


def test_figures_nobody_measured_are_left_out(result: dict[str, Any]) -> None:
    bare = {"clips": 1, "voices": 1, "per": 0.5, "per_ci": [0.4, 0.6], "per_by_lookahead": {}, "by_unit": []}
    both = result | {"groups": result["groups"] | {"bare": bare}}
    table = {line[0]: line[1:] for line in figures(both)}
    assert table["**phone error rate** at 80 ms"][1] == "50.0 % (40.0–60.0)"
    assert table["**cursor within one word**"][1] == ""
    alone = [line[0] for line in figures(result | {"groups": {"bare": bare}})]
    assert alone == ["", "clips, voices", "**phone error rate** at 80 ms"]


def test_documents_are_renewed_between_their_marks(result: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "accuracy.md"
    document.write_text("before\n<!-- accuracy -->\nold\n<!-- end -->\nafter\n<!-- end -->\n")
    write_docs(result, document)
    first = document.read_text()
    assert first.startswith("before\n<!-- accuracy -->\n") and first.endswith("<!-- end -->\nafter\n<!-- end -->\n")
    assert "old" not in first and markdown(figures(result)) in first
    for name in re.findall(r"\]\((accuracy/.+\.svg)\)", first):
        ElementTree.parse(tmp_path / name)
    write_docs(result, document)
    assert document.read_text() == first


def test_a_summary_for_those_in_a_hurry(result: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("<!-- accuracy summary -->\n<!-- end -->\n")
    write_docs(result, document)
    assert summary(result) in document.read_text()
    head, _, row = summary(result).splitlines()[2:]
    assert head.startswith("| voices | phone error rate at 80 ms |") and head.count("|") == row.count("|")
    assert not (tmp_path / "README").exists()


def test_a_document_without_marks_is_left_alone(result: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("text\n")
    with pytest.raises(MarksError, match=r"README\.md has no"):
        write_docs(result, document)
    assert document.read_text() == "text\n"


def test_units_are_spelled_so_that_they_can_be_read() -> None:
    assert spelled("") == "∅"
    assert spelled("ب") == "ب\u200e"
    assert spelled("َ").startswith("ـَ")
    assert all(spelled(unit) for unit in INDEX)


@pytest.mark.parametrize(("high", "ticks"), [(0.83, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (1, [0, 0.2, 0.4, 0.6, 0.8, 1])])
def test_round_numbers_on_an_axis(high: float, ticks: list[float]) -> None:
    assert steps_to(high) == ticks


def test_a_line_goes_through_its_points() -> None:
    x, y = Axis(horizontal(0, 1), [0, 1], "x"), Axis(vertical(0, 1), [0, 1], "y")
    points = [Point(0, 0), Point(0.5, 0.5, (0.4, 0.6)), Point(2, 1)]
    svg = ElementTree.fromstring(chart("<&>", lines(x, y, [Series("a", points, points[:1])])))
    line = svg.find(f"{SVG}polyline")
    assert line is not None
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    assert places == [(x.scale(0), y.scale(0)), (x.scale(0.5), y.scale(0.5)), (x.scale(1), y.scale(1))]
    assert places[0][0] < places[1][0] < places[2][0] and places[0][1] > places[1][1] > places[2][1]
    assert svg.findtext(f"{SVG}title") == "<&>"


def test_bars_grow_with_their_number() -> None:
    _, one = intervals([Bar("a", 0.1, (0.05, 0.2))], "x")
    _, two = intervals([Bar("a", 0.1, (0.05, 0.2)), Bar("b", 0.1, (0.05, 0.2), 0.3)], "x")
    assert one < two
