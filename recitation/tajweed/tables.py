"""The figures of ``perf/tajweed`` as Markdown tables, and into the page that shows them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recitation.accuracy.tables import MarksError, markdown, percent
from recitation.tajweed.rules import Rule

BEGIN_MARK, END_MARK = "<!-- measured: begin -->", "<!-- measured: end -->"

Result = Mapping[str, Any]


def _ranged(row: Result, name: str) -> str:
    """A share with its interval; empty where nothing was counted."""
    if name not in row:
        return ""
    low, high = row[f"{name}_ci"]
    return f"{percent(row[name])} ({100 * low:.1f}–{100 * high:.1f})"


def _delay(row: Result) -> str:
    delays = row["delay_ms"]
    return f"{delays['p50']}, {delays['p95']}" if delays["n"] else ""


def _number(row: Result, name: str) -> str:
    return f"{row[name]:g}" if name in row else ""


def groups(result: Result) -> list[list[str]]:
    """A line for each group of voices."""
    head = [
        "voices", "takes", "minutes", "rules", "errors a minute", "advice a minute", "no answer",
        "answered as offline", "delay P50, P95, ms", "CPU, ms a second",
    ]  # fmt: skip
    lines = [
        [
            group, _number(row, "takes"), _number(row, "minutes"), _number(row, "instances"),
            _number(row, "errors_per_minute"), _number(row, "advice_per_minute"), _ranged(row, "unclear"),
            _ranged(row, "agreement"), _delay(row), _number(row, "cpu_ms_per_s"),
        ]
        for group, row in result["groups"].items()
    ]  # fmt: skip
    return [head, *lines]


def rules(result: Result, group: str) -> list[list[str]]:
    """A line for each rule in a group of voices: false alarms, recall of slips and what the two make of precision."""
    head = [
        "rule", "places", "false errors", "false advice", "no answer", "slips", "told as errors", "told",
        "precision of errors, of all", "delay P50, P95, ms",
    ]  # fmt: skip
    lines = []
    for rule, row in ((Rule(rule), rows[group]) for rule, rows in result["rules"].items() if group in rows):
        slips = row.get("slips", {})
        precise = [f"{slips[name]:.2f}" if name in slips else "–" for name in ("precision_error", "precision_any")]
        lines.append(
            [
                rule.label.en, _number(row, "instances"), _ranged(row, "error"), _ranged(row, "advice"),
                _ranged(row, "unclear"), _number(slips, "n"), _ranged(slips, "error"), _ranged(slips, "any"),
                ", ".join(precise) if slips else "", _delay(row),
            ]
        )  # fmt: skip
    return [head, *lines]


def slips(result: Result) -> list[list[str]]:
    """A line for each kind of slip and group."""
    head = [
        "slip", "voices", "n", "told as errors", "told", "twin told", "no answer", "named right",
        "letters beside it still accepted",
    ]  # fmt: skip
    lines = [
        [
            kind, group, _number(row, "n"), _ranged(row, "error"), _ranged(row, "any"), percent(row["before_any"]),
            _ranged(row, "unclear"), _ranged(row, "named"), _ranged(row, "neighbours_kept"),
        ]
        for kind, by_group in result["slips"].items()
        for group, row in by_group.items()
    ]  # fmt: skip
    return [head, *lines]


def tables(result: Result) -> str:
    """Every figure."""
    parts = [f"Model `{result['model']}`, `{result['command']}`.", markdown(groups(result)), markdown(slips(result))]
    for group in result["groups"]:
        parts += [f"#### Rules: {group}", markdown(rules(result, group))]
    return "\n\n".join(parts)


def write_docs(result: Result, file: Path) -> None:
    """Renew what stands between the marks of a Markdown file.  Raises OSError, MarksError."""
    pattern = re.compile(f"({BEGIN_MARK}\n).*?({END_MARK})", re.DOTALL)
    text, times = pattern.subn(lambda found: f"{found[1]}\n{tables(result)}\n\n{found[2]}", file.read_text())
    if not times:
        raise MarksError(f"{file} has no {BEGIN_MARK} and {END_MARK} to put figures between")
    file.write_text(text)
