"""What pyproject.toml puts into a wheel."""

import tomllib
from pathlib import Path

from server.config import STATIC

ROOT = Path(__file__).parent.parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_named() -> None:
    found = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for top in ("recitation", "server")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert set(SETUPTOOLS["packages"]) == found | {"server.static"}


def test_the_page_goes_where_the_server_looks_for_it() -> None:
    assert SETUPTOOLS["package-dir"] == {"server.static": "static"}
    assert SETUPTOOLS["package-data"]["server.static"] == ["**/*"]
    assert STATIC == ROOT / "static", "in a checkout; in a wheel, server/static"
