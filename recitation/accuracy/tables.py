"""The figures of a result of ``perf/accuracy`` as tables, and into the Markdown pages that show them."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from recitation.accuracy.plots import plots
from recitation.phones import IKHFA, IQLAB, QALQALAH, VOWEL_MARKS

NAMES = {"": "∅", IKHFA: "ikhfa", IQLAB: "iqlab", QALQALAH: "qalqalah"}
ALL_MARK, SUMMARY_MARK, END_MARK = "<!-- accuracy -->", "<!-- accuracy summary -->", "<!-- end -->"
LEFT_TO_RIGHT_MARK = "\u200e"
UNITS_LISTED = 15
SUMMARISED = ("phone error rate", "cursor", "words in place", "right phones doubted", "swapped phones found", "F1")
"""Figures for a reader in a hurry, by the beginning of their names."""


class MarksError(ValueError):
    """A page has no place for the figures."""


Reader = Callable[[dict[str, Any]], str]


def percent(value: float) -> str:
    """``0.1234`` as ``12.3 %``."""
    return f"{100 * value:.1f} %"


def _with_interval(key: str) -> Reader:
    return lambda row: f"{percent(row[key])} ({100 * row[key + '_ci'][0]:.1f}–{100 * row[key + '_ci'][1]:.1f})"


def _share(key: str) -> Reader:
    return lambda row: percent(row[key])


def _number(key: str, digits: int) -> Reader:
    return lambda row: f"{row[key]:.{digits}f}"


def _milliseconds(row: dict[str, Any]) -> str:
    return f"{row['p50']:.0f}, {row['p95']:.0f} ms"


def _of(part: str, read: Reader) -> Reader:
    return lambda row: read(row[part])


def _lookahead(key: str) -> tuple[str, Reader]:
    name = "with full context" if key == "full" else f"at {key} ms"
    return f"– {name}", _of("per_by_lookahead", _of(key, _with_interval("per")))


def _lines(result: dict[str, Any]) -> Iterator[tuple[str, Reader]]:
    """What a line of the table is called, and how it is read from the figures of a group."""
    yield "clips, voices", lambda row: f"{row['clips']}, {row['voices']}"
    yield f"**phone error rate** at {result['lookahead_ms']} ms", _with_interval("per")
    for name in ("substitutions", "deletions", "insertions"):
        yield f"– {name}", _share(name)
    yield "– by the ear alone, without phonotactics", _share("per_by_ear")
    yield "– inserted before the text begins", _share("insertions_before_text")
    keys = dict.fromkeys(key for row in result["groups"].values() for key in row["per_by_lookahead"])
    yield from (_lookahead(key) for key in keys if key != str(result["lookahead_ms"]))
    yield "offline, same mask", _share("per_offline")
    yield "largest difference of a log-probability", lambda row: f"{row['largest_log_prob_difference']:.0e}"
    yield "emission delay, median and P95", _of("emission_delay_ms", _milliseconds)
    yield "– with the wait for the hop", _of("emission_delay_ms", _of("available", _milliseconds))
    yield "phones heard after they begin, median and P95", _of("onset_delay_ms", _milliseconds)
    yield "offline alignment off by, median and P95", _of("alignment_ms", _milliseconds)
    yield "**cursor within one word**", _with_interval("cursor_within_one_word")
    yield "words in place", _with_interval("words_in_place")
    yield "word boundaries off by, median and P95", _of("boundary_ms", _milliseconds)
    yield "streamed verdict as offline", _with_interval("stream_offline_agreement")
    yield "place found from the first 4 s", _share("locate_top1")
    yield "**right phones doubted**", _with_interval("false_alarm_rate")
    yield "– called wrong", _with_interval("called_wrong")
    yield "right words questioned", _with_interval("words_accused")
    yield "words without a verdict", _with_interval("words_unclear")
    swaps: tuple[tuple[str, Reader], ...] = (
        ("**swapped phones found**", _with_interval("recall")),
        ("– judged at all", _share("judged")),
        ("– precision", _share("precision")),
        ("– F1", lambda row: f"{row['f1']:.2f} ({row['f1_ci'][0]:.2f}–{row['f1_ci'][1]:.2f})"),
        ("– area under the ROC", _number("auc", 3)),
        ("– named right", _share("named_right")),
        ("– with no other doubt beside", _share("alone")),
        ("– shown to the student", _share("shown")),
        ("– called wrong", _share("called_wrong")),
        ("– letters called wrong that were swapped", _share("called_wrong_rightly")),
    )
    yield from ((name, _of("counterfactual", read)) for name, read in swaps)


def figures(result: dict[str, Any]) -> list[list[str]]:
    """A line for each figure, a cell for each group; figures that nobody measured are left out."""
    groups = result["groups"]
    table = [["", *groups]]
    for name, read in _lines(result):
        cells = [_cell(read, row) for row in groups.values()]
        if any(cells):
            table.append([name, *cells])
    return table


def _cell(read: Reader, row: dict[str, Any]) -> str:
    try:
        return read(row)
    except KeyError:  # Not measured.
        return ""


def units(row: dict[str, Any], listed: int | None = None) -> list[list[str]]:
    """The units with the most errors in a group."""
    table = [["unit", "wrong", "heard instead"]]
    for unit in row["by_unit"][:listed]:
        wrong = f"{unit['errors']} of {unit['n']}, {100 * unit['errors'] / unit['n']:.0f} %"
        heard = " · ".join(f"{spelled(said)}\N{NO-BREAK SPACE}×{times}" for said, times in unit["heard"])
        table.append([spelled(unit["unit"]), wrong, heard])
    return table


def spelled(unit: str) -> str:
    """A unit inside a line of Latin script; signs that few fonts have go by their names."""
    if unit[:1] in NAMES:
        return NAMES[unit[:1]]
    # A vowel mark needs a letter to sit on, and a number after Arabic would join its direction.
    return ("ـ" if unit[0] in VOWEL_MARKS else "") + unit + LEFT_TO_RIGHT_MARK


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table; its first line is the head."""
    rows = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([rows[0], "|---" * len(table[0]) + "|", *rows[1:]])


def summary(result: dict[str, Any]) -> str:
    """What a reader in a hurry wants: a line for each group."""
    table = {line[0].replace("*", "").removeprefix("– "): line for line in figures(result)}
    kept = {name: line for name, line in table.items() if name.startswith(SUMMARISED)}
    columns = [table[""], *kept.values()]
    turned = [["voices", *kept], *([column[n] for column in columns] for n in range(1, len(columns[0])))]
    return f"Model `{result['model']}`.\n\n{markdown(turned)}"


def page(result: dict[str, Any], folder: str) -> str:
    """Every figure and plot; the plots lie in ``folder`` beside the page."""
    parts = [f"Model `{result['model']}`, engine {result['engine']}.", markdown(figures(result))]
    for plot in plots(result["groups"]):
        parts += [f"### {plot.title}", f"![{plot.title}]({folder}/{plot.name}.svg)", plot.caption]
    parts.append("### Units with the most errors")
    for name, row in result["groups"].items():
        parts += [f"#### {name}", markdown(units(row, UNITS_LISTED))]
    return "\n\n".join(parts)


def write_docs(result: dict[str, Any], file: Path) -> None:
    """Renew the figures of a Markdown file: all of them after ``<!-- accuracy -->``, with plots in a folder beside it,
    a summary after ``<!-- accuracy summary -->``, either up to ``<!-- end -->``.  Raises OSError, MarksError."""
    text = file.read_text()
    if ALL_MARK not in text and SUMMARY_MARK not in text:
        raise MarksError(f"{file} has no {ALL_MARK} or {SUMMARY_MARK} to put figures after")
    if ALL_MARK in text:
        folder = file.with_suffix("")
        folder.mkdir(exist_ok=True)
        for plot in plots(result["groups"]):
            (folder / f"{plot.name}.svg").write_text(plot.svg(alone=True) + "\n")
    file.write_text(_filled(_filled(text, ALL_MARK, page(result, file.stem)), SUMMARY_MARK, summary(result)))


def _filled(text: str, mark: str, content: str) -> str:
    pattern = re.compile(f"({mark}\n).*?({END_MARK})", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text)
