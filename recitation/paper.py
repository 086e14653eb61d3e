"""Pages in one file: no script, no network, light and dark by the reader's setting, fit for printing."""

from base64 import b64encode
from pathlib import Path

BASE_STYLE = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--text:#1f2328;--muted:#5c6570;--rule:#e4e8ec}
@media (prefers-color-scheme:dark){:root{--page:#0d1116;--card:#14191f;--text:#e6edf3;--muted:#9aa6b2;--rule:#28313a}}
*{box-sizing:border-box}
body{margin:0;padding:32px 20px 64px;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:auto;display:grid;gap:20px;grid-template-columns:minmax(0,1fr)}
h1{font-size:26px;margin:0}h2{font-size:16px;margin:0 0 4px}
p{margin:0}.about,figcaption{color:var(--muted)}.about{font-size:14px}
section,figure{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;margin:0}
figure svg{display:block;width:100%;height:auto;margin:8px 0}
figcaption{font-size:13px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{text-align:start;padding:5px 0;padding-inline-end:14px;border-bottom:1px solid var(--rule);vertical-align:top}
tr:last-child td{border-bottom:0}thead th{color:var(--muted);font-weight:600}
"""
_ROOT = Path(__file__).parents[1]
_FONTS = (_ROOT / "static" / "fonts", _ROOT / "server" / "static" / "fonts")
"""Where the page's fonts lie, in a checkout and installed."""


def page(title: str, style: str, body: str, lang: str = "en") -> str:
    """A whole HTML document; ``body`` goes into its ``main``."""
    return (
        f'<!doctype html>\n<html lang="{lang}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{style}</style>\n<main>{body}</main></html>\n"
    )


def inlined(mime: str, content: bytes) -> str:
    """A ``data:`` address that holds the content."""
    return f"data:{mime};base64,{b64encode(content).decode()}"


def font_face(family: str, font: bytes | None) -> str:
    """The rule that brings a WOFF2 font along; nothing without one."""
    return "" if font is None else f"@font-face{{font-family:{family};src:url({inlined('font/woff2', font)})}}"


def quran_font() -> bytes | None:
    """Amiri Quran, WOFF2, where the page's files are at hand."""
    files = (folder / "amiri-quran.woff2" for folder in _FONTS)
    return next((file.read_bytes() for file in files if file.exists()), None)
