"""A few kinds of chart as SVG text: intervals, lines, steps.  No dependency, no script, light and dark by the reader's
setting, readable as an image on its own and inside a page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 340
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 54, 50
LEGEND = 18
"""Height of the row of names above the plot."""
MARKS = 6
"""Colours and shapes there are; more series begin again."""

STYLE = """
svg.chart{--surface:#fff;--ink:#1f2328;--soft:#5c6570;--grid:#e4e8ec;--axis:#9aa4ae;
--c0:#0b63c5;--c1:#c2491a;--c2:#147a55;--c3:#7a45b5;--c4:#8a6a00;--c5:#b0276b;
font:12px system-ui,-apple-system,"Segoe UI",sans-serif;font-variant-numeric:tabular-nums}
@media (prefers-color-scheme:dark){svg.chart{--surface:#14191f;--ink:#e6edf3;--soft:#9aa6b2;--grid:#28313a;
--axis:#55606b;--c0:#62abff;--c1:#ff9457;--c2:#4bcf9b;--c3:#c39bff;--c4:#e2bd4b;--c5:#ff86b8}}
.chart .surface{fill:var(--surface)}.chart text{fill:var(--soft)}.chart .name{fill:var(--ink)}
.chart .value{fill:var(--ink);font-weight:600}.chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--axis)}
.chart .ideal{stroke:var(--axis);stroke-dasharray:4 4;fill:none}
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}.chart .whisker{stroke-width:2;opacity:.55}
.chart .hollow{fill:var(--surface);stroke-width:2}
""" + "".join(f".chart .s{n}{{stroke:var(--c{n})}}.chart .f{n}{{fill:var(--c{n})}}" for n in range(MARKS))


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, linear or logarithmic; values outside are moved to the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (at - low) / (high - low), 1)


def horizontal(low: float, high: float, *, log: bool = False) -> Scale:
    """Across the plot."""
    return Scale(low, high, LEFT, WIDTH - RIGHT, log)


def vertical(low: float, high: float) -> Scale:
    """Up the plot."""
    return Scale(low, high, HEIGHT - BOTTOM, TOP)


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a plot, with an interval up and down if it has one."""

    x: float
    y: float
    interval: tuple[float, float] | None = None
    note: str = ""
    """Shown under the pointer."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one name, joined."""

    name: str
    points: Sequence[Point]
    marked: Sequence[Point] = ()
    """Points that get a mark; none of the others does."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale with its ticks and what it measures."""

    scale: Scale
    ticks: Sequence[float]
    label: str
    show: Callable[[float], str] = str


def percent(value: float) -> str:
    """``0.125`` as ``12.5 %``, without needless zeros."""
    return f"{100 * value:.4g} %"


def steps_to(high: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to at least ``high``, about ``count`` of them."""
    rough = max(high, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [round(step * n, 10) for n in range(math.ceil(high / step - 1e-9) + 1)]


def chart(title: str, body: str, height: float = HEIGHT, *, alone: bool = False) -> str:
    """An SVG element; ``alone`` carries its own style, as a file."""
    name = f"<title>{escape(title)}</title>"
    style = f"<style>{STYLE}</style>" if alone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img">'
        f'{name}{style}<rect class="surface" width="{WIDTH}" height="{height:g}"/>{body}</svg>'
    )


def text(x: float, y: float, what: str, css: str = "", anchor: str = "start") -> str:
    """A line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{css}" text-anchor="{anchor}">{escape(what)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{css}"/>'


def mark(x: float, y: float, number: int, note: str = "") -> str:
    """A mark whose shape differs too, for those who cannot tell the colours apart."""
    css = f"f{number % MARKS}"
    about = f"<title>{escape(note)}</title>" if note else ""
    match number % 3:
        case 0:
            return f'<circle cx="{x:g}" cy="{y:g}" r="4.5" class="{css}">{about}</circle>'
        case 1:
            return f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8" class="{css}">{about}</rect>'
        case _:
            return f'<path d="M{x:g} {y - 5.5:g}l5.2 9h-10.4z" class="{css}">{about}</path>'


def legend(names: Sequence[str]) -> str:
    """Names of series in a row above the plot."""
    parts, x = [], float(LEFT)
    for number, name in enumerate(names):
        parts += [mark(x + 5, LEGEND, number), text(x + 15, LEGEND + 4, name, "name")]
        x += 40 + 6.4 * len(name)
    return "".join(parts)


def frame(x: Axis, y: Axis) -> str:
    """Grid, ticks and labels."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [line(LEFT, y.scale(v), right, y.scale(v), "grid") for v in y.ticks]
    parts += [text(LEFT - 8, y.scale(v) + 4, y.show(v), anchor="end") for v in y.ticks]
    parts += [line(x.scale(v), bottom, x.scale(v), bottom + 4, "axis") for v in x.ticks]
    parts += [text(x.scale(v), bottom + 18, x.show(v), anchor="middle") for v in x.ticks]
    parts.append(line(LEFT, bottom, right, bottom, "axis"))
    parts.append(text((LEFT + right) / 2, HEIGHT - 10, x.label, anchor="middle"))
    parts.append(text(LEFT, TOP - 12, y.label) if y.label else "")
    return "".join(parts)


def lines(x: Axis, y: Axis, series: Sequence[Series], behind: str = "") -> str:
    """Joined points with their intervals, marks on those that ask for one."""
    parts = [frame(x, y), behind, legend([s.name for s in series])]
    for number, s in enumerate(series):
        places = " ".join(f"{x.scale(p.x):g},{y.scale(p.y):g}" for p in s.points)
        parts.append(f'<polyline points="{places}" class="line s{number % MARKS}"/>')
        for p in (*s.points, *s.marked):
            if p.interval is not None:
                low, high = (y.scale(v) for v in p.interval)
                parts.append(line(x.scale(p.x), low, x.scale(p.x), high, f"whisker s{number % MARKS}"))
        parts += [mark(x.scale(p.x), y.scale(p.y), number, p.note) for p in s.marked]
    return "".join(parts)


def steps(x: Axis, y: Axis, series: Sequence[Series], width: float, behind: str = "") -> str:
    """Histograms over each other as outlines; a point is the left edge of a bin of ``width``."""
    parts = [frame(x, y), behind, legend([s.name for s in series])]
    for number, s in enumerate(series):
        corners = [(p.x + side, p.y) for p in s.points for side in (0.0, width)]
        places = " ".join(f"{x.scale(a):g},{y.scale(b):g}" for a, b in corners)
        parts.append(f'<polyline points="{places}" class="line s{number % MARKS}"/>')
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval, and another to compare it with."""

    name: str
    value: float
    interval: tuple[float, float]
    other: float | None = None


ROW = 46


def intervals(bars: Sequence[Bar], label: str, show: Callable[[float], str] = percent) -> tuple[str, float]:
    """A row for each value: a mark, its interval, a hollow ring for the other value.  Returns (body, height)."""
    ticks = steps_to(max([bar.interval[1] for bar in bars] + [bar.other or 0 for bar in bars]))
    left = 92
    scale = Scale(0, ticks[-1], left, WIDTH - 64)
    bottom = 16 + ROW * len(bars)
    parts = [line(scale(v), 12, scale(v), bottom, "grid") for v in ticks]
    parts += [text(scale(v), bottom + 18, show(v), anchor="middle") for v in ticks]
    parts.append(text((left + WIDTH - 64) / 2, bottom + 40, label, anchor="middle"))
    for number, bar in enumerate(bars):
        y = 16 + ROW * (number + 0.5)
        low, high = map(scale, bar.interval)
        parts += [text(left - 12, y + 4, bar.name, "name", "end"), line(low, y, high, y, f"whisker s{number % MARKS}")]
        if bar.other is not None:
            css = f"hollow s{number % MARKS}"
            parts.append(f'<circle cx="{scale(bar.other):g}" cy="{y:g}" r="4" class="{css}"/>')
        note = f"{bar.name}: {show(bar.value)}, {show(bar.interval[0])} to {show(bar.interval[1])}"
        parts += [mark(scale(bar.value), y, number, note), text(WIDTH - 56, y + 4, f"{100 * bar.value:.1f} %", "value")]
    return "".join(parts), bottom + 52
