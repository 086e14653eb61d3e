"""``talaqqi score``: what it prints, what it refuses, and that the whole file is judged by the live line."""

import argparse
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from recitation import report
from recitation.acoustics.engine import OnnxEngine
from recitation.audio import AudioError, read_audio
from recitation.events import PhoneVerdict, Status, Summary, WordReport
from recitation.lexicon import Lexicon
from recitation.mushaf import AddressError
from recitation.sound_files import write_audio
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip


def arguments(*line: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return parser.parse_args(list(map(str, line)))


def phone(unit: str, p: float, heard: str | None, start: int = 0, letters: tuple[int, int] = (0, 0)) -> PhoneVerdict:
    return PhoneVerdict("112:1:1", 0, unit, start, start + 1600, p, heard, letters)


@pytest.fixture
def summary() -> Summary:
    """A summary with every kind of word."""
    spoken = (phone("ق", 0.02, "ك", 0), phone("ُ", 0.9, None, 1600, (1, 1)), phone("ل", 0.03, "", 3200, (2, 2)))
    return Summary(
        (
            WordReport("112:1:1", "قُلْ", 0, 4800, 0.1, Status.QUESTIONED, spoken),
            WordReport("112:1:2", "هُوَ", 4800, 9600, 0.9, Status.ACCEPTED, (phone("ه", 0.7, "ح", 4800),)),
            WordReport("112:1:3", "ٱللَّهُ", 9600, 12800, 0.3, Status.UNCLEAR, (phone("ل", 0.01, "ر", 9600),)),
            WordReport("112:1:4", "أَحَدٌ", None, None, None, Status.NOT_REACHED, ()),
        ),
        16_000,
    )


def test_the_json_has_the_keys_others_rely_on(capsys: pytest.CaptureFixture[str], ikhlas_file: Path) -> None:
    assert report.run(arguments(ikhlas_file, "--verses", "112", "--json")) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    row = json.loads(out)
    assert (row["file"], row["verses"], row["mode"]) == (str(ikhlas_file), "112", "streaming")
    assert row["seconds"] == pytest.approx(len(read_audio(ikhlas_file)) / 16_000, abs=1e-3)
    assert len(row["words"]) == 15
    statuses = {status.value for status in Status}
    for word in row["words"]:
        assert set(word) >= {"at", "text", "start", "end", "score", "status", "phones"}
        assert word["status"] in statuses
        if word["start"] is None:
            assert (word["end"], word["score"], word["phones"]) == (None, None, [])
            continue
        assert 0 <= word["start"] <= word["end"] <= row["seconds"] + 0.2
        assert 0 <= word["score"] <= 1
        for row_ in word["phones"]:
            assert set(row_) >= {"unit", "start", "end", "p", "heard"}
    for slip in row["slips"]:
        assert slip["kind"] in ("letter", "word", "tajweed")
        assert {
            "rule",
            "at",
            "letters",
            "severity",
            "expected",
            "measured",
            "confidence",
            "start",
            "end",
            "text",
        } <= set(slip)
        assert set(slip["text"]) == {"ar", "en"}
    pitch = row["pitch"]
    assert 60 < pitch["low_hz"] <= pitch["median_hz"] <= pitch["high_hz"] < 500


def test_offline_sees_the_whole_and_says_so(
    capsys: pytest.CaptureFixture[str], ikhlas_file: Path, engine: OnnxEngine
) -> None:
    assert report.run(arguments(ikhlas_file, "--verses", "112:1-4", "--json", "--offline")) == 0
    offline = json.loads(capsys.readouterr().out)
    assert offline["mode"] == "offline"
    assert offline["verses"] == "112"
    streamed = report.score(engine, read_audio(ikhlas_file), "112")
    both = [
        (word["start"], live.start / 16_000)
        for word, live in zip(offline["words"], streamed.words, strict=True)
        if word["start"] is not None and live.start is not None
    ]
    assert len(both) >= 10
    assert np.mean([abs(a - b) <= 0.15 for a, b in both]) > 0.65


def test_the_passage_is_found_when_it_is_not_named(
    capsys: pytest.CaptureFixture[str], ikhlas_file: Path, tmp_path: Path
) -> None:
    assert report.run(arguments(ikhlas_file, "--verses", "112", "--json")) == 0
    named = json.loads(capsys.readouterr().out)
    assert report.run(arguments(ikhlas_file, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == named
    silence = tmp_path / "silence.wav"
    write_audio(silence, np.zeros(48_000, np.float32))
    with pytest.raises(AddressError, match="--verses"):
        report.run(arguments(silence, "--json"))


def test_look_ahead_is_a_choice(capsys: pytest.CaptureFixture[str], ikhlas_file: Path, engine: OnnxEngine) -> None:
    assert report.run(arguments(ikhlas_file, "--verses", "112", "--json", "--lookahead-ms", "240")) == 0
    told = json.loads(capsys.readouterr().out)
    expected = report.score(OnnxEngine(engine.path, 240), read_audio(ikhlas_file), "112")
    assert [word["score"] for word in told["words"]] == [word.score for word in expected.words]
    assert expected != report.score(engine, read_audio(ikhlas_file), "112")


def test_the_table_is_for_people(capsys: pytest.CaptureFixture[str], ikhlas_file: Path, lexicon: Lexicon) -> None:
    assert report.run(arguments(ikhlas_file, "--verses", "112")) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 15
    assert all(f"112:{ayah}" in out for ayah in range(1, 5))
    assert lexicon.word(112, 1, 1).text in lines[0]
    assert "words accepted" in err


def test_json_of_a_summary(summary: Summary) -> None:
    row = json.loads(json.dumps(report.as_json("a.wav", "112:1", summary, offline=False)))
    assert [word["status"] for word in row["words"]] == ["questioned", "accepted", "unclear", "not_reached"]
    assert row["words"][0]["end"] == 0.3
    assert row["seconds"] == 1.0
    first, second = row["slips"]
    assert (first["kind"], first["rule"], first["expected"], first["measured"]) == ("letter", "substitution", "ق", "ك")
    assert (second["letters"], second["start"], second["end"]) == ([2, 2], 0.2, 0.3)
    assert "name" not in first


def test_a_table_of_a_summary(summary: Summary) -> None:
    lines = report.as_text(summary).splitlines()
    assert [line[0] for line in lines] == ["?", "✓", "~", " "]
    assert "ق→ك" in lines[0]
    assert "ل→∅" in lines[0]


def test_rules_broken_follow_the_words(summary: Summary) -> None:
    broken = RuleVerdict(
        "112:1:4", Rule.MADD_LAZIM, (2, 2), 16_000, 32_000, Severity.ERROR, Slip.SHORT, 0.97, (6.0, 6.0), 3.1, 0.3
    )
    kept = RuleVerdict("112:1:2", Rule.TAFKHIM, (0, 0), 4800, 6400, Severity.FINE)
    lines = report.as_text(msgspec.structs.replace(summary, rules=(kept, broken))).splitlines()
    assert len(lines) == 5
    assert lines[4].startswith("!   112:1:4   1.00–2.00   0.97  necessary madd")


def test_every_status_has_its_mark() -> None:
    assert set(report.MARKS) == set(Status)
    assert len(set(report.MARKS.values())) == len(Status)


@pytest.mark.parametrize("verses", ["115", "1:8", "112:1:9", "al-ikhlas"])
def test_a_bad_address_is_refused(ikhlas_file: Path, verses: str) -> None:
    with pytest.raises(AddressError):
        report.run(arguments(ikhlas_file, "--verses", verses))


@pytest.fixture(params=["missing", "empty", "text", "truncated", "folder", "picture"])
def bad_file(request: pytest.FixtureRequest, tmp_path: Path, ikhlas_file: Path) -> Path:
    path = tmp_path / "bad.flac"
    match request.param:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("this is no sound\n" * 200)
        case "truncated":
            write_audio(path, read_audio(ikhlas_file))
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "folder":
            path.mkdir()
        case "picture":
            path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    return path


def test_a_file_that_is_no_recording_is_refused_in_one_line(bad_file: Path) -> None:
    with pytest.raises(AudioError, match=r"bad\.flac") as refused:
        report.run(arguments(bad_file, "--verses", "112"))
    assert "\n" not in str(refused.value)


def test_a_silent_file_has_no_word(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    write_audio(path, np.zeros(48_000, np.float32))
    assert report.run(arguments(path, "--verses", "112", "--json")) == 0
    row = json.loads(capsys.readouterr().out)
    assert {word["status"] for word in row["words"]} == {"not_reached"}
    assert row["slips"] == []
    assert row["pitch"] is None


def test_another_rate_and_format_is_judged_alike(engine: OnnxEngine, ikhlas_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "112.opus"
    write_audio(path, read_audio(ikhlas_file))
    plain, coded = (report.score(engine, read_audio(file), "112") for file in (ikhlas_file, path))
    starts = [
        abs(a.start - b.start)
        for a, b in zip(plain.words, coded.words, strict=True)
        if a.start is not None and b.start is not None
    ]
    assert len(starts) >= 10
    assert np.median(starts) <= 0.06 * 16_000
