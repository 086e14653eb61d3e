"""A result of ``perf/accuracy`` as one HTML file: no script, no network, light and dark by the reader's setting."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from recitation.accuracy.charts import STYLE
from recitation.accuracy.plots import plots
from recitation.accuracy.tables import figures, units

PAGE_STYLE = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1f2328;--muted:#5c6570;--rule:#e4e8ec}
@media (prefers-color-scheme:dark){:root{--page:#0d1116;--card:#14191f;--text:#e6edf3;--muted:#9aa6b2;--rule:#28313a}}
*{box-sizing:border-box}
body{margin:0;padding:32px 20px 64px;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:auto;display:grid;gap:20px;grid-template-columns:minmax(0,1fr)}
h1{font-size:26px;margin:0}h2{font-size:16px;margin:0 0 4px}
p{margin:0}.about,figcaption{color:var(--muted)}.about{font-size:14px}
.about code{overflow-wrap:anywhere}
section,figure{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;margin:0}
.plots{display:grid;gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr))}
figure svg{display:block;width:100%;height:auto;margin:8px 0}
figcaption{font-size:13px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top}
tr:last-child td{border-bottom:0}thead th{color:var(--muted);font-weight:600}
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
    face = "" if font is None else f"@font-face{{font-family:Units;src:url({_inlined(font)})}}"
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Talaqqi: accuracy</title><style>{face}{PAGE_STYLE}{STYLE}</style>\n"
        f"<main>{''.join(_sections(result))}</main></html>\n"
    )


def _inlined(font: bytes) -> str:
    return f"data:font/woff2;base64,{b64encode(font).decode()}"


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
