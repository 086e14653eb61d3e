"""The pages' modules, run in Chromium: each `*_cases.js` holds the cases of a page, one test each here."""

import html
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STATIC = HERE.parent.parent / "static"
PAGES = ("module_cases", "sound_cases", "teacher_cases")
CASES = [
    (page, case)
    for page in PAGES
    for case in re.findall(r"^  (?:async )?(\w+)\(\) \{$", (HERE / f"{page}.js").read_text("utf-8"), re.MULTILINE)
]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


class _Files(SimpleHTTPRequestHandler):
    """Serves this folder, and the page's files under /static/ as the server does."""

    def translate_path(self, path: str) -> str:
        name = path.split("?")[0].lstrip("/")
        inside = STATIC / name.removeprefix("static/") if name.startswith("static/") else HERE / name
        return str(inside)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def _serving() -> Iterator[str]:
    """Address of a server of both folders."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@cache
def _results(name: str) -> dict[str, str]:
    """Outcome of each case of a page by name, `ok` or why it failed, from one run of the browser."""
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with _serving() as address:
        page = f"{address}/{name}.html"
        command = [BROWSER, *flags, "--virtual-time-budget=20000", "--dump-dom", page]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r'<pre id="results">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom
    lines = html.unescape(found[1]).splitlines()
    outcomes = (line.split(" ", 1) for line in lines)
    return {rest.split(":")[0]: "ok" if word == "ok" else rest for word, rest in outcomes}


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("page", "case"), CASES, ids=[case for _, case in CASES])
def test_module_case(page: str, case: str) -> None:
    assert _results(page).get(case, "was not run") == "ok"


@pytest.mark.parametrize("page", PAGES)
def test_every_case_is_found(page: str) -> None:
    assert sum(of == page for of, _ in CASES) >= 10
