"""The plots of a result of ``perf/accuracy``, by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recitation.accuracy.charts import (
    HEIGHT,
    Axis,
    Bar,
    Point,
    Series,
    chart,
    horizontal,
    intervals,
    line,
    lines,
    percent,
    steps,
    steps_to,
    vertical,
)
from recitation.judge import DOUBTFUL

Groups = dict[str, dict[str, Any]]

FEWEST_ALARMS = 0.001
"""Left edge of the ROC: a false alarm in a thousand phones."""

FEWEST_PHONES = 20
"""In a bin of probability worth showing."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture and how to read it."""

    name: str
    """Of its file."""
    title: str
    caption: str
    body: str
    height: float = HEIGHT

    def svg(self, *, alone: bool = False) -> str:
        """As text; ``alone`` for a file of its own."""
        return chart(self.title, self.body, self.height, alone=alone)


def plots(groups: Groups) -> Iterator[Plot]:
    """Every plot there are figures for."""
    yield _error_rates(groups)
    if any(len(row["per_by_lookahead"]) > 2 for row in groups.values()):
        yield _by_lookahead(groups)
    tested = {name: row["counterfactual"] for name, row in groups.items() if "counterfactual" in row}
    if tested:
        yield _roc(tested)
        yield _reliability(tested)
    timed = {name: row["emission_delay_ms"] for name, row in groups.items() if "emission_delay_ms" in row}
    if timed:
        caption = "Where the best path first emits a unit, against its begin in the alignment with full context."
        yield Plot("emission-delay", "Emission delay", caption, _delays(timed))
    spoken = {name: row["onset_delay_ms"] for name, row in groups.items() if "onset_delay_ms" in row}
    if spoken:
        caption = "Where the best path first emits a unit, against when a made voice began to say it."
        yield Plot("onset-delay", "Delay after the voice", caption, _delays(spoken))


def _error_rates(groups: Groups) -> Plot:
    bars = [Bar(name, row["per"], tuple(row["per_ci"]), row.get("per_full_context")) for name, row in groups.items()]
    body, height = intervals(bars, "phone error rate, free recognition")
    caption = "The text unknown. Mark: as it streams; bar: 95 % interval; ring: with the whole clip at hand."
    return Plot("error-rates", "Phone error rate", caption, body, height)


def _by_lookahead(groups: Groups) -> Plot:
    keys = list(dict.fromkeys(key for row in groups.values() for key in row["per_by_lookahead"]))
    series = []
    for number, (name, row) in enumerate(groups.items()):
        found = row["per_by_lookahead"]
        # Moved apart a little, or intervals would hide each other.
        shift = 0.06 * (number - (len(groups) - 1) / 2)
        points = [
            Point(keys.index(key) + shift, of["per"], tuple(of["per_ci"]), f"{name}, {key}: {percent(of['per'])}")
            for key, of in found.items()
        ]
        series.append(Series(name, points, points))
    ticks = steps_to(max(point.interval[1] for s in series for point in s.points if point.interval))
    x = Axis(horizontal(-0.4, len(keys) - 0.6), range(len(keys)), "look-ahead, ms", lambda v: keys[int(v)])
    body = lines(x, Axis(vertical(0, ticks[-1]), ticks, "", percent), series)
    caption = "What waiting for more sound would buy. “full” sees the whole clip. Bars: 95 % intervals."
    return Plot("look-ahead", "Phone error rate against look-ahead", caption, body)


def _roc(tested: Groups) -> Plot:
    series = []
    for name, row in tested.items():
        points = [Point(max(alarms, FEWEST_ALARMS), found) for alarms, found in row["roc"]]
        at = Point(
            max(row["false_alarm_rate"], FEWEST_ALARMS),
            row["recall"] / row["judged"],
            note=f"{name}: {percent(row['recall'])} of all found, {percent(row['false_alarm_rate'])} false alarms",
        )
        series.append(Series(name, points, [at]))
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    x = Axis(horizontal(FEWEST_ALARMS, 1, log=True), [0.001, 0.01, 0.1, 1], "right phones doubted", percent)
    body = lines(x, Axis(vertical(0, 1), ticks, "swapped phones found", percent), series)
    caption = f"Of the swapped phones that the line came to judge. Mark: where it works, below {percent(DOUBTFUL)}."
    return Plot("roc", "Swapped letters found against false alarms", caption, body)


def _reliability(tested: Groups) -> Plot:
    series = []
    for name, row in tested.items():
        points = [
            Point(p, right, note=f"{name}: {count} phones given {percent(p)}, {percent(right)} right")
            for p, right, count in row["reliability"]
            if count >= FEWEST_PHONES
        ]
        series.append(Series(name, points, points))
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    x = Axis(horizontal(0, 1), ticks, "probability given to the expected phone", percent)
    y = Axis(vertical(0, 1), ticks, "share that was right", percent)
    diagonal = line(x.scale(0), y.scale(0), x.scale(1), y.scale(1), "ideal")
    caption = "One phone in eight is swapped. On the dashed line a probability means what it says."
    return Plot("reliability", "What a probability is worth", caption, lines(x, y, series, diagonal))


def _delays(timed: Groups) -> str:
    series = []
    for name, row in timed.items():
        bins = row["histogram"]
        total = max(1, row["n"])
        points = [Point(bins["from"] + bins["step"] * n, count / total) for n, count in enumerate(bins["counts"])]
        series.append(Series(name, points))
    first = next(iter(timed.values()))["histogram"]
    low, high = first["from"], first["from"] + first["step"] * len(first["counts"])
    ticks = steps_to(max(point.y for s in series for point in s.points))
    x = Axis(horizontal(low, high), range(low, high + 1, 100), "ms after the phone begins")
    y = Axis(vertical(0, ticks[-1]), ticks, "share of the phones, by 20 ms", percent)
    zero = line(x.scale(0), y.scale(0), x.scale(0), y.scale(ticks[-1]), "ideal")
    return steps(x, y, series, first["step"], zero)
