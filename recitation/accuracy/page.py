"""A result of ``perf/accuracy`` as one HTML file: no script, no network, light and dark by the reader's setting."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from recitation.accuracy.charts import STYLE
from recitation.accuracy.plots import plots
from recitation.accuracy.tables import figures, units
from recitation.paper import BASE_STYLE, font_face, page

PAGE_STYLE = """
.about code{overflow-wrap:anywhere}
.plots{display:grid;gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr))}
td.detail{color:var(--muted);padding-left:16px}
.units{display:grid;gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr))}
.units td:first-child,.units td:last-child{font-size:18px;line-height:1.4;
font-family:Units,"Amiri Quran","Noto Naskh Arabic",serif}
.units td{white-space:nowrap}.units td:first-child{width:4em}.units td:nth-child(2){width:10em}
.units .scroll{max-height:520px;overflow:auto}
.units thead th{position:sticky;top:0;background:var(--card)}
"""


def html_page(result: dict[str, Any], font: bytes | None = None) -> str:
    """The whole page.  ``font``, WOFF2, has the letters of the Quran Phonetic Script, which many systems lack."""
    style = font_face("Units", font) + BASE_STYLE + PAGE_STYLE + STYLE
    return page("Talaqqi: accuracy", style, "".join(_sections(result)))


def _sections(result: dict[str, Any]) -> Iterator[str]:
    yield f"<header><h1>Accuracy</h1><p class=about>{_about(result)}</p></header>"
    yield f"<section><h2>Figures</h2><div class=wide>{_table(figures(result))}</div></section>"
    cards = (
        f"<figure><h2>{escape(plot.title)}</h2>{plot.svg()}<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in plots(result["groups"])
    )
    yield f"<div class=plots>{''.join(cards)}</div>"
    tables = (
        f"<section><h2>Units of {escape(name)}, most errors first</h2>"
        f"<div class='wide scroll'>{_table(units(row))}</div></section>"
        for name, row in result["groups"].items()
    )
    yield f"<div class=units>{''.join(tables)}</div>"


def _about(result: dict[str, Any]) -> str:
    parts = [f"Model <code>{escape(result['model'])}</code>, engine {escape(result['engine'])}"]
    if "machine" in result:
        parts.append(escape(f"{result['machine']['cpu']}, {result['machine']['cpus']} cores"))
    if "command" in result:
        parts.append(f"<code>{escape(result['command'])}</code>")
    return " · ".join(parts)


def _table(table: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}" for cell in table[0])
    rows = "".join(f"<tr>{''.join(_cells(row))}" for row in table[1:])
    return f"<table><thead><tr>{head}</thead><tbody>{rows}</tbody></table>"


def _cells(row: Sequence[str]) -> Iterator[str]:
    name = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(row[0]))
    yield f"<td class=detail>{name.removeprefix('– ')}" if name.startswith("– ") else f"<td>{name}"
    yield from (f"<td>{escape(cell)}" for cell in row[1:])
