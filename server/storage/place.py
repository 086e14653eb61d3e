"""Where the database is: an option, else the environment, else a file in the user's data directory."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from server.config import ConfigError

NOTHING = "none"
"""In place of a URL: keep nothing."""

DATABASE_VARIABLE, DATA_VARIABLE = "TALAQQI_DATABASE", "TALAQQI_DATA"
FILE = "talaqqi.sqlite3"


class _Arguments(Protocol):
    """A parser, or a group of one."""

    def add_argument(self, *names: str, type: Any = ..., metavar: str = ..., help: str = ...) -> argparse.Action:
        """As of argparse."""


def add_place_arguments(parser: _Arguments) -> None:
    """The options that name the database."""
    parser.add_argument(
        "--database",
        metavar="URL",
        help=f"sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or none (${DATABASE_VARIABLE}, a file in --data)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help=f"folder of the file {FILE} (${DATA_VARIABLE}, or ~/.local/share/talaqqi)",
    )


def database_url(database: str | None, directory: Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """The URL of the database, None where nothing is kept. `database` and `directory` come from the command line."""
    named = database or (None if directory else environ.get(DATABASE_VARIABLE))
    if named:
        return None if named == NOTHING else named
    return f"sqlite:///{(directory or data_directory(environ)).absolute() / FILE}"


def kept_url(database: str | None, directory: Path | None) -> str:
    """The same for a command about what is kept. Raises ConfigError where that is nothing."""
    url = database_url(database, directory)
    if url is None:
        raise ConfigError("nothing is kept in the database none; name the one the server was given")
    return url


def data_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a program of this user keeps its data (XDG Base Directory Specification)."""
    if named := environ.get(DATA_VARIABLE):
        return Path(named)
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "talaqqi"
