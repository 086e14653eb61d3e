"""The pages' JSDoc types, checked by the TypeScript compiler where there is one: it comes from no Python registry."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TSC = shutil.which("tsc")


def test_the_types_of_the_pages_hold() -> None:
    if TSC is None:
        pytest.skip("no tsc: npm install --global typescript@5")
    told = subprocess.run([TSC, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    version = re.search(r"\d+", told)
    if version is None or int(version[0]) < 5:
        pytest.skip(f"{told.strip()} does not know the browsers of today: 5 is needed")
    command = [TSC, "--project", ROOT / "jsconfig.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
