"""Databases for tests: a file, and a PostgreSQL server of the test's own where its programs are installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

STOP_DEADLINE_S = 30


def _programs() -> Path:
    """The folder of `initdb` and `pg_ctl`. Skips the test where there is none."""
    found = shutil.which("initdb")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folder = next((path for path in candidates if (path / "initdb").exists()), None)
    if found is not None:
        folder = Path(found).resolve().parent
    if folder is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return folder


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def postgresql() -> Iterator[Path]:
    """A server that listens on a socket in the folder yielded, and on no port."""
    programs, user = _programs(), _user()
    folder = Path(mkdtemp(prefix="talaqqi-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"

        def call(*command: str) -> None:
            subprocess.run(
                command,
                user=user,
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=60,
                stdin=subprocess.DEVNULL,
            )

        call(str(programs / "initdb"), "-D", str(data), "-U", "talaqqi", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=40"
        call(str(programs / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
        try:
            yield folder
        finally:
            call(str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
