"""The student page is whole: every file it names is there, every text it names exists in both languages."""

import gzip
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parent.parent.parent / "static"
INDEX = (STATIC / "index.html").read_text(encoding="utf-8")
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
STYLES = sorted((STATIC / "css").glob("*.css"))
TEXTS = dict(
    (name, (arabic, english))
    for name, arabic, english in re.findall(
        r'^  (\w+): \[\s*"([^"]*)",\s*"([^"]*)",?\s*\],$',
        (STATIC / "js" / "i18n.js").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)


def test_every_file_named_by_the_page_exists() -> None:
    named = re.findall(r'(?:href|src)="/static/([^"]+)"', INDEX)
    assert {"js/main.js", "css/mushaf.css", "fonts/amiri-quran.woff2"} <= set(named)
    assert [name for name in named if not (STATIC / name).is_file()] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_module_imported_exists(script: Path) -> None:
    imported = re.findall(r'(?:from|import\(|URL\()\s*"\./([\w.]+)"', script.read_text(encoding="utf-8"))
    assert [name for name in imported if not (script.parent / name).is_file()] == []


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_every_font_exists_beside_its_licence(style: Path) -> None:
    for name in re.findall(r'url\("\.\./fonts/([^"]+)"\)', style.read_text(encoding="utf-8")):
        assert (STATIC / "fonts" / name).is_file()
        family = "amiri-quran" if name.startswith("amiri") else "readex-pro"
        assert "SIL OPEN FONT LICENSE" in (STATIC / "fonts" / f"{family}.OFL.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", [STATIC / "index.html", *SCRIPTS, *STYLES], ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://", text) == []


def test_script_and_style_are_small_on_the_way() -> None:
    sent = sum(len(gzip.compress(file.read_bytes(), 6)) for file in [*SCRIPTS, *STYLES])
    assert sent < 150_000, "the most that a phone is to wait for"


def test_every_text_named_exists_in_both_languages() -> None:
    named = set(re.findall(r'data-t(?:-label|-title|-hint)?="(\w+)"', INDEX))
    for script in SCRIPTS:
        named |= set(re.findall(r'\bt\("(\w+)"', script.read_text(encoding="utf-8")))
    assert len(named) > 40
    assert sorted(named - TEXTS.keys()) == []
    assert [name for name, (arabic, english) in TEXTS.items() if not arabic or not english] == []


def test_both_languages_fill_the_same_blanks() -> None:
    blanks = {name: [set(re.findall(r"\{(\w+)\}", text)) for text in pair] for name, pair in TEXTS.items()}
    assert [name for name, (arabic, english) in blanks.items() if arabic != english] == []


def test_every_part_the_script_asks_for_is_on_the_page() -> None:
    ids = set(re.findall(r'\bid="([\w-]+)"', INDEX))
    asked: set[str] = set()
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        asked |= set(re.findall(r'node\("([\w-]+)"\)', text)) | set(re.findall(r'"#([\w-]+)", HTML', text))
    assert len(asked) > 20
    assert sorted(asked - ids) == []
