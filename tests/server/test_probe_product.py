"""The probe as operators run it: its clock checks itself, figures go to Prometheus, statuses tell who failed."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server import probe_check
from server.cli import main
from server.delays import spread
from server.probe import UNREACHED, _untrustworthy
from server.probe_check import Check, check_timing
from server.probe_prometheus import exposition, write


async def test_a_click_is_found_where_and_when_it_was_sent() -> None:
    check = await check_timing()
    assert abs(check.place_ms) <= probe_check.PLACE_MS
    assert check.handed_over_ms >= -1.0
    assert replace(check, handed_over_ms=20.0).good


async def test_a_clock_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = probe_check.encode_recording
    monkeypatch.setattr(
        probe_check, "encode_recording", lambda pcm, tail_s: replace(encode(pcm, tail_s), delay_rtp=312 - 20 * 48)
    )
    check = await check_timing()
    assert check.place_ms == pytest.approx(20.0, abs=1.0) and not check.good


def test_a_click_that_leaves_late_is_no_good_clock() -> None:
    assert Check(0.1, 26.0).good and not Check(0.1, 60.0).good and not Check(0.1, -5.0).good


def report(**changes: Any) -> dict[str, Any]:
    delays = spread([100.0] * 18 + [math.inf] * 2)
    names = ("tentative", "confirmed", "transport", "server", "connect", "sender_lag")
    return dict.fromkeys(names, delays) | {"words": {"confirmed": delays}, "broken": 0, "check": None} | changes


def test_figures_for_prometheus() -> None:
    lines = exposition(report(), 'http://a/"b"', 1000.0, passed=2).splitlines()
    assert r'talaqqi_probe_up{url="http://a/\"b\""} 1' in lines
    assert r'talaqqi_probe_delay_seconds{url="http://a/\"b\"",kind="confirmed",quantile="0.5"} 0.1000' in lines
    assert r'talaqqi_probe_delay_seconds{url="http://a/\"b\"",kind="confirmed",quantile="0.95"} +Inf' in lines
    assert r'talaqqi_probe_missing_ratio{url="http://a/\"b\"",kind="confirmed"} 0.1000' in lines
    assert r'talaqqi_probe_limits_passed{url="http://a/\"b\""} 2' in lines
    assert 'talaqqi_probe_up{url="x"} 0' in exposition(report(broken=1), "x", 0.0)


def test_a_file_is_replaced_at_once(tmp_path: Path) -> None:
    file = tmp_path / "talaqqi.prom"
    for text in ("one\n", "two\n"):
        write(file, text)
    assert file.read_text() == "two\n" and list(tmp_path.iterdir()) == [file]


def test_a_late_sender_is_not_trusted() -> None:
    assert _untrustworthy(report(sender_lag=spread([1.0]))) is None
    assert "late" in str(_untrustworthy(report(sender_lag=spread([21.0]))))
    assert "click" in str(_untrustworthy(report(check={"place_ms": 9.0, "handed_over_ms": 3.0, "good": False})))


def test_a_server_that_is_not_there(ikhlas_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "talaqqi.prom"
    options = ["--audio", str(ikhlas_file), "--verses", "112", "--seconds", "2", "--no-check"]
    assert main(["probe", "http://127.0.0.1:9", *options, "--prometheus", str(file)]) == UNREACHED
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert 'talaqqi_probe_up{url="http://127.0.0.1:9"} 0' in file.read_text()
