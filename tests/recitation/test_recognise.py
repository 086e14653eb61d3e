"""``talaqqi recognise``: one line a file, and files that cannot be read are named."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from recitation import recognise
from recitation.evaluate import edit_distance
from recitation.lexicon import Lexicon, recited
from recitation.mushaf import parse_reference
from recitation.phones import INDEX, UNITS, parse_script
from recitation.sound_files import write_audio


def run(*line: str | Path) -> int:
    parser = argparse.ArgumentParser()
    recognise.add_arguments(parser)
    return recognise.run(parser.parse_args(list(map(str, line))))


def test_a_line_of_json_a_file(capsys: pytest.CaptureFixture[str], ikhlas_file: Path) -> None:
    assert run(ikhlas_file, ikhlas_file, "--json") == 0
    out = capsys.readouterr().out
    first, second = map(json.loads, out.splitlines())
    assert first == second
    assert (first["file"], first["engine"], first["lookahead_ms"]) == (str(ikhlas_file), "onnx", 80)
    phones = first["phones"]
    assert first["script"] == "".join(phone["unit"] for phone in phones)
    assert all(phone["unit"] in UNITS[1:] for phone in phones)
    assert all(phone["start"] < phone["end"] and 0 < phone["p"] <= 1 for phone in phones)
    starts = [phone["start"] for phone in phones]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < starts[-1] <= first["seconds"]


def test_what_is_heard_resembles_what_was_said(
    capsys: pytest.CaptureFixture[str], ikhlas_file: Path, lexicon: Lexicon
) -> None:
    run(ikhlas_file, "--json", "--lookahead-ms", "0")
    heard = [INDEX[phone["unit"]] for phone in json.loads(capsys.readouterr().out)["phones"]]
    said = [p.unit for _, form in recited(lexicon.words(parse_reference("112"))) for p in form]
    other = [p.unit for _, form in recited(lexicon.words(parse_reference("111"))) for p in form][: len(said)]
    assert edit_distance(heard, said) < 0.7 * len(said)
    assert edit_distance(heard, said) < 0.8 * edit_distance(heard, other)


@pytest.mark.parametrize("lookahead", ["0", "80", "240"])
def test_the_look_ahead_is_chosen(capsys: pytest.CaptureFixture[str], ikhlas_file: Path, lookahead: str) -> None:
    assert run(ikhlas_file, "--json", "--lookahead-ms", lookahead) == 0
    assert json.loads(capsys.readouterr().out)["lookahead_ms"] == int(lookahead)


def test_without_json_the_script_stands_beside_the_file(capsys: pytest.CaptureFixture[str], ikhlas_file: Path) -> None:
    assert run(ikhlas_file) == 0
    name, script = capsys.readouterr().out.rstrip("\n").split("\t")
    assert name == str(ikhlas_file)
    assert len(parse_script(script)) > 20


@pytest.mark.parametrize("option", [("--lookahead-ms", "160"), ("--engine", "oracle")])
def test_a_choice_that_is_not_offered_exits_2(ikhlas_file: Path, option: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(ikhlas_file, *option)
    assert left.value.code == 2


def test_bad_files_are_named_and_the_others_heard(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ikhlas_file: Path
) -> None:
    empty, text = tmp_path / "empty.wav", tmp_path / "text.wav"
    empty.write_bytes(b"")
    text.write_text("this is no sound\n" * 100)
    assert run(empty, text, tmp_path / "missing.wav", ikhlas_file, "--json") == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(ikhlas_file)]
    for name in ("empty.wav", "text.wav", "missing.wav"):
        assert sum(name in line for line in err.splitlines()) == 1


@pytest.mark.parametrize("samples", [160, 3_200, 48_000])
def test_silence_says_next_to_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path, samples: int) -> None:
    path = tmp_path / "silence.wav"
    write_audio(path, np.zeros(samples, np.float32))
    assert run(path, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["seconds"] == samples / 16_000
    assert len(row["phones"]) <= 3
