"""The teacher page is whole: every file it names is there, every text it names exists in both languages."""

import gzip
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parent.parent.parent / "static"
PAGE = (STATIC / "teacher.html").read_text(encoding="utf-8")
SCRIPTS = sorted((STATIC / "js" / "teacher").glob("*.js"))
ENTRY = re.compile(r'^  (\w+): \[\s*"([^"]*)",\s*"([^"]*)",?\s*\],$', re.MULTILINE)
IMPORT = re.compile(r'^import[^;]*?from "(\.{1,2}/[\w./]+)";', re.MULTILINE)
OWN = {name: pair for name, *pair in ENTRY.findall((STATIC / "js/teacher/words.js").read_text(encoding="utf-8"))}
SHARED = {name: pair for name, *pair in ENTRY.findall((STATIC / "js/i18n.js").read_text(encoding="utf-8"))}


def reached(script: Path) -> set[Path]:
    """All modules that a module brings with it, itself included."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        module = waiting.pop().resolve()
        if module in found:
            continue
        assert module.is_file(), f"{module} is imported and not there"
        found.add(module)
        names = re.findall(
            r'^(?:import|export)[^;]*?from "(\.{1,2}/[\w./]+)";', module.read_text("utf-8"), re.MULTILINE
        )
        waiting += [module.parent / name for name in names]
    return found


def test_every_file_named_by_the_page_exists() -> None:
    named = re.findall(r'(?:href|src)="/static/([^"]+)"', PAGE)
    assert {"js/teacher/main.js", "css/mushaf.css", "css/teacher.css"} <= set(named)
    assert [name for name in named if not (STATIC / name).is_file()] == []


def test_its_modules_are_all_used_and_it_is_small_on_the_way() -> None:
    modules = reached(STATIC / "js" / "teacher" / "main.js")
    assert set(SCRIPTS) - modules == set(), "modules that nobody imports"
    styles = [STATIC / name for name in re.findall(r'href="/static/(css/[^"]+)"', PAGE)]
    assert sum(len(gzip.compress(file.read_bytes(), 6)) for file in [*modules, *styles]) < 80_000


@pytest.mark.parametrize("file", [STATIC / "teacher.html", *SCRIPTS], ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://", text) == []


def test_every_text_named_exists_in_both_languages() -> None:
    named = set(re.findall(r'data-t(?:-label|-title|-hint)?="(\w+)"', PAGE))
    for script in SCRIPTS:
        named |= set(re.findall(r'\bt\("(\w+)"', script.read_text(encoding="utf-8")))
    named |= {f"state_{state}" for state in ("waiting", "following", "unclear", "lost", "done")}
    named |= {f"link_{state}" for state in ("connecting", "broken", "expired", "refused", "needed")}
    named |= {f"listening_{state}" for state in ("connecting", "asked", "live", "refused", "failed", "lost")}
    named.add("listening_stop")
    named.add("here_now")
    assert len(named) > 40
    assert sorted(named - OWN.keys() - SHARED.keys()) == []
    assert [name for name, (arabic, english) in OWN.items() if not arabic or not english] == []
    blanks = {name: [set(re.findall(r"\{(\w+)\}", text)) for text in pair] for name, pair in OWN.items()}
    assert [name for name, (arabic, english) in blanks.items() if arabic != english] == []


def test_its_words_replace_none_of_the_student_page() -> None:
    assert sorted(OWN.keys() & SHARED.keys()) == []


def test_every_part_the_script_asks_for_is_on_the_page() -> None:
    ids = set(re.findall(r'\bid="([\w-]+)"', PAGE))
    asked: set[str] = set()
    for script in SCRIPTS:
        text = script.read_text(encoding="utf-8")
        asked |= set(re.findall(r'node\("([\w-]+)"\)', text)) | set(re.findall(r'"#([\w-]+)", HTML', text))
    assert len(asked) > 15
    assert sorted(asked - ids) == []
