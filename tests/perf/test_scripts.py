"""The measuring scripts explain themselves, and what they share is right; `pytest -m perf tests/perf` runs them."""

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from recitation.audio import SAMPLE_HZ, read_audio
from recitation.sound_files import write_audio
from server.delays import Unit
from server.reciter import Heard, Recording

PERF = Path(__file__).resolve().parents[2] / "perf"
SCRIPTS = (
    "accuracy", "bench", "cost", "latency", "load", "nodes", "recovery", "sides", "stages", "storage", "stress", "work",
)  # fmt: skip
SLOW_S = 300


def _run(script: str, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(PERF / script), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=SLOW_S, check=False)


def _load_script(name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name.removesuffix(".py"), str(PERF / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rig() -> ModuleType:
    return _load_script("rig.py")


@pytest.fixture(scope="module")
def crowd(rig: ModuleType) -> ModuleType:
    return _load_script("crowd.py")


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_gives_the_command_and_the_options(script: str) -> None:
    done = _run(script, "--help")
    assert done.returncode == 0, done.stderr
    assert f"perf/{script} " in done.stdout
    assert "--json" in done.stdout


def test_a_median_with_infinite_figures(rig: ModuleType) -> None:
    assert rig.middle([3.0, None, 1.0]) == 3.0
    assert rig.middle([None, None, 1.0]) is None


def test_circumstances_name_machine_and_model(rig: ModuleType) -> None:
    found = rig.circumstances()
    assert found["machine"]["cpus"] >= 1
    assert len(found["model"]) == 12


def test_following_ayat_of_the_unseen_reciter_are_joined(rig: ModuleType, tmp_path: Path) -> None:
    ayat = [("dev", 2, 7), ("dev", 2, 5), ("train", 2, 8), ("dev", 2, 6), ("dev", 3, 7)]
    rows, pieces = [], []
    for n, (split, surah, ayah) in enumerate(ayat):
        row = {"file": "v.flac", "start": n * SAMPLE_HZ, "samples": SAMPLE_HZ, "voice": "v", "kind": "ayah"}
        rows.append(row | {"split": split, "surah": surah, "ayah": ayah})
        pieces.append(np.full(SAMPLE_HZ, ayah / 10, np.float32))
    write_audio(tmp_path / "v.flac", np.concatenate(pieces))
    (tmp_path / "index.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    longest, single = rig.unseen_reciter(tmp_path, tmp_path, passages=2, seconds=10)
    assert (longest.verses, single.verses) == ("2:5-7", "3:7")
    pcm = read_audio(longest.file)
    middles = [pcm[round((n * 1.1 + 0.5) * SAMPLE_HZ)] for n in range(3)]
    assert np.allclose(middles, [0.5, 0.6, 0.7], atol=0.001)
    (short,) = rig.unseen_reciter(tmp_path, tmp_path, passages=1, seconds=2.5)
    assert short.verses == "2:5-6"


@pytest.mark.perf
def test_latency() -> None:
    report = json.loads(_run("latency", "--verses", "112", "--repeat", "1", "--json").stdout)
    assert set(report["passages"][0]["loss"]) == {"0", "0.02"}
    assert report["figures"].keys() == report["limits"].keys()
    assert report["passages"][0]["loss"]["0"]["tentative"]["n"] > 30


@pytest.mark.perf
def test_cost() -> None:
    options = ("--verses", "1:1-7", "--sessions", "1", "2", "--seconds", "5", "--repeat", "1", "--json")
    report = json.loads(_run("cost", *options).stdout)
    assert [row["sessions"] for row in report["rows"]] == [1, 2]
    assert 0 < report["figures"]["core"] < 1
    assert report["rows"][0]["resident_mb"] >= report["rows"][0]["idle_mb"] > 50


@pytest.mark.perf
def test_stages() -> None:
    report = json.loads(_run("stages", "--verses", "112", "--repeat", "1", "--json").stdout)
    assert all(ms >= 0 for ms in report["stages"].values())
    assert report["stages"]["encoder@50"] < report["stages"]["encoder@1"]
    assert report["score_s"] > 0


@pytest.mark.perf
def test_load(tmp_path: Path) -> None:
    options = ("--sessions", "2", "--seconds", "6", "--settle", "2", "--beyond", "1", "--anyway", "--json")
    report = json.loads(_run("load", *options, "--plots", str(tmp_path)).stdout)
    [row] = report["rows"]
    assert row["open"] == 2 and row["broken"] == 0
    assert row["delays"]["confirmed"]["n"] > 20 and row["delays"]["confirmed"]["missing"] == 0
    [reason] = row["beyond"]["refused"]
    assert reason.startswith("503")
    assert {path.name for path in tmp_path.glob("*.svg")} == {"delays.svg", "cores.svg"}


def test_a_late_generator_reports_no_delays(crowd: ModuleType) -> None:
    load = _load_script("load")
    told = {"delays": {tier: [[1.0, 250.0]] for tier in load.TIERS}, "connect_ms": [], "refused": [], "broken": 0}
    told |= {"left": 0, "lag_ms": [0.1], "loop_ms": [0.1]}
    assert not load._summary([told], None, 10.0)["generator"]["late"]
    assert load._summary([told], None, 10.0)["delays"]["confirmed"]["p50"] == 250.0
    assert load._summary([told | {"lag_ms": [25.0]}], None, 10.0)["generator"]["late"]
    assert load._summary([told | {"loop_ms": [25.0]}], None, 10.0)["generator"]["late"]


def test_what_sounds_just_before_a_session_breaks_off_is_not_expected(crowd: ModuleType) -> None:
    take = crowd.Take("112", Recording((), 0, 4.0), tuple(Unit("112:1:1", n, 16_000 * n) for n in range(4)), ())
    heard = Heard(started=100.02, connect_s=0.1)
    told = crowd.Told()
    told.count(heard, take, (100.5, 110.0), 103.6)
    # Phones end at 100, 101, 102 and 103 s; the reading begins at 100.5, and what sounded after 102.1 is let go.
    assert told.delays["confirmed"] == [(0.5, None), (1.5, None)]


def test_nodes_fill_evenly_and_refuse_nobody_while_there_is_room() -> None:
    options = ("--nodes", "12", "--fill", "0.9", "--seconds", "120", "--sessions", "900", "90000", "--json")
    report = json.loads(_run("nodes", *options).stdout)
    simulated = report["simulated"]
    assert simulated["refused"] == 0 and simulated["sent_elsewhere"] > 0
    assert simulated["emptiest"] > 0.6 and simulated["fullest"] <= 1
    few, many = report["needs"]
    assert many["nodes"] == 100 * few["nodes"]
    assert many["beats_out_per_s_one_redis"] == 10_000 * few["beats_out_per_s_one_redis"]
    assert many["beats_out_per_s_a_cell"] == 5_000


def test_results_become_tables(rig: ModuleType, tmp_path: Path) -> None:
    bench = _load_script("bench")
    spread = {"n": 4, "missing": 1, "p50": 150.2, "p95": None, "p99": None}
    row = {
        "sessions": 2,
        "core": 0.025,
        "resident_mb": 230.0,
        "refused": 1,
        "broken": 0,
        "confirmed_by_half": [spread] * 2,
    }
    row |= {"delays": dict.fromkeys(("tentative", "confirmed", "words", "rules"), spread)}
    row |= {
        "generator": {"lag_ms": {"p99": 31.0}, "late": True},
        "beyond": {"refused": {"503": 3}, "refused_ms": spread},
    }
    kept, docs = tmp_path / "kept.json", tmp_path / "docs.md"
    kept.write_text(json.dumps({"scale": {"rows": [row], "command": "perf/load", "late": True}}))
    docs.write_text(f"before {bench.BEGIN} old {bench.END} after")
    done = _run("bench", "--from", str(kept), "--docs", str(docs))
    assert done.returncode == bench.LATE and "late in scale" in done.stderr
    text = docs.read_text()
    assert text.startswith("before ") and text.endswith(" after") and " old " not in text
    assert "| 2 | 2.50% | 230 | 150, never, never |" in text and "**too late**" in text and "3 refused" in text


def test_accuracy_says_what_is_wrong(tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"file": "gone.opus", "verses": ["1:1"]}\n')
    for options in ((str(manifest), "--processes", "1"), (str(tmp_path / "none.jsonl"),), ()):
        done = _run("accuracy", *options)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(("gone.opus", str(tmp_path), "[Errno 2]", "accuracy: error:"))
        assert "Traceback" not in done.stderr


@pytest.mark.perf
def test_accuracy(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    report = json.loads(_run("accuracy", "--made", "--rounds", "1", "--report", str(page), "--json").stdout)
    assert list(report["groups"]) == ["made"]
    assert report["groups"]["made"]["per_ci"][0] < 0.4
    assert page.read_text().count("<svg") >= 5
