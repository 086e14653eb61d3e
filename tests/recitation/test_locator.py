"""The place of a recitation is found among all the words of the Quran, and the probabilities are honest."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthetic import Floats, Script

from recitation import locate as command
from recitation.acoustics.engine import OnnxEngine
from recitation.audio import AudioError, Pcm, stream_audio
from recitation.graph import ISTIADHA
from recitation.lexicon import Lexicon, default_lexicon, recited
from recitation.locator import Locator, alignment_scores, beginning, default_locator, names_verse, phones_heard
from recitation.made_voice import MadeRecitation
from recitation.mushaf import Reference, parse_reference
from recitation.phones import BLANK, INDEX, UNITS, parse_script

SECONDS = 4.0


@pytest.fixture(scope="module")
def locator() -> Locator:
    return default_locator()


def spoken(reference: str, seed: int = 0, skip_words: int = 0, before: str = "", confusion: float = 1.0) -> Floats:
    """What a model would say of a passage, some words left out at its beginning."""
    script = Script(np.random.default_rng(seed))
    script.pause(25)
    if before:
        script.say([run.unit for run in parse_script(before)])
        script.pause(20)
    for _, form in recited(default_lexicon().words(parse_reference(reference)))[skip_words:]:
        script.say_form(form)
    return script.log_probs(confusion)


@pytest.mark.parametrize("place", ["2:255", "1:2", "18:10", "36:1-3", "67:1", "93:1-3", "103", "114"])
def test_an_ayah_is_found_from_its_first_seconds(locator: Locator, place: str) -> None:
    found = locator.locate(beginning(spoken(place), SECONDS))
    reference = parse_reference(place)
    assert found[0].at == f"{reference.surah}:{reference.first}:1"
    assert found[0].p > 0.8


@pytest.mark.parametrize("place", ["2:255", "12:4", "24:35", "36:12"])
def test_a_place_inside_an_ayah_is_found(locator: Locator, place: str) -> None:
    found = locator.locate(beginning(spoken(place, skip_words=5), SECONDS))
    assert found[0].at == f"{place}:6"


@pytest.mark.parametrize("seed", range(4))
def test_wrong_left_out_and_added_phones_are_tolerated(locator: Locator, seed: int) -> None:
    random = np.random.default_rng(seed)
    script = Script(random)
    script.pause(25)
    words = recited(default_lexicon().words(parse_reference("20:14")))
    for phone in [phone.unit for _, form in words for phone in form][:30]:
        chance = random.random()
        if chance < 0.1:
            continue
        script.say([int(random.integers(1, len(UNITS))) if chance < 0.25 else phone])
        if chance > 0.92:
            script.say([int(random.integers(1, len(UNITS)))])
    assert "20:14:1" in [place.at for place in locator.locate(beginning(script.log_probs(), SECONDS), 3)]


def test_a_refrain_shares_its_probability(locator: Locator) -> None:
    log_probs = spoken("55:13")
    found = locator.locate(beginning(log_probs, SECONDS), 40)
    refrains = [place for place in found if place.p > 0.02]
    assert len(refrains) == 31
    assert {place.at.split(":")[0] for place in refrains} == {"55"}
    assert np.ptp([place.p for place in refrains]) < 0.01
    assert all(names_verse(log_probs, f"55:{ayah}") for ayah in (13, 16, 77))
    assert not names_verse(log_probs, "55:14")


def test_probabilities_are_a_ranking_of_at_most_everything(locator: Locator) -> None:
    found = locator.locate(beginning(spoken("2:255"), SECONDS), 1000)
    chances = [place.p for place in found]
    assert chances == sorted(chances, reverse=True)
    assert 0.99 < sum(chances) <= 1.0001
    assert len({place.at for place in found}) == len(found)
    assert locator.locate(beginning(spoken("2:255"), SECONDS), 3) == found[:3]


def test_less_is_less_certain(locator: Locator) -> None:
    log_probs = spoken("2:30")
    short, long = (locator.locate(beginning(log_probs, seconds))[0].p for seconds in (0.7, SECONDS))
    assert short < long


@pytest.mark.parametrize("basmala", [True, False])
def test_the_basmala_before_a_surah_is_passed_over(locator: Locator, lexicon: Lexicon, basmala: bool) -> None:
    words = [*(lexicon.words(Reference(1, 1, 1)) if basmala else ()), *lexicon.words(Reference(103, 1, 3))]
    script = Script(np.random.default_rng(1))
    script.pause(10)
    for _, form in recited(tuple(words)):
        script.say_form(form)
    assert locator.locate(beginning(script.log_probs(), SECONDS))[0].at == "103:1:1"


def test_a_basmala_alone_is_al_fatihah(locator: Locator) -> None:
    assert locator.locate(beginning(spoken("1:1"), SECONDS))[0].at == "1:1:1"


@pytest.mark.parametrize("place", ["2:255", "112:1-2", "1:2-4"])
def test_the_seeking_of_refuge_is_passed_over(locator: Locator, place: str) -> None:
    reference = parse_reference(place)
    found = locator.locate(beginning(spoken(place, before=ISTIADHA), SECONDS))
    assert found[0].at == f"{reference.surah}:{reference.first}:1"


def test_other_words_are_not_taken_for_the_seeking_of_refuge() -> None:
    for place in ("2:67", "16:98", "40:56"):
        log_probs = spoken(place)
        assert len(beginning(log_probs, 100)) >= len(log_probs) - 26


def test_nothing_heard_is_no_place(locator: Locator) -> None:
    silence = np.full((200, len(UNITS)), -9.0, np.float32)
    silence[:, BLANK] = 0
    assert locator.locate(beginning(silence)) == []
    assert locator.locate(silence[:0]) == []
    assert not names_verse(silence, "1:1")


def test_a_run_of_frames_is_one_phone() -> None:
    script = Script(np.random.default_rng(0))
    script.pause(5)
    script.say([INDEX["ق"], INDEX["ُ"], INDEX["ل"]])
    heard = phones_heard(script.log_probs(0.1))
    assert heard.argmax(axis=1).tolist() == [INDEX["ق"], INDEX["ُ"], INDEX["ل"]]
    assert (heard[:, BLANK] < 0.1).all()


def test_alignment_prefers_what_was_said_whatever_follows() -> None:
    script = Script(np.random.default_rng(0))
    said = [INDEX[unit] for unit in ("ق", "ُ", "ل", "ه", "ُ")]
    script.say(said)
    texts = np.array([[*said, 5, 6], [*said, 9, 9], [*said[:2], 3, *said[3:], 5, 6]], np.uint8)
    scores = alignment_scores(script.log_probs(0.1), texts)
    assert scores[0] == scores[1] > scores[2]


def test_it_is_built_and_asked_quickly(lexicon: Lexicon) -> None:
    begun = time.process_time()
    locator = Locator(lexicon)
    built = time.process_time()
    part = beginning(spoken("2:282"), SECONDS)
    spent = []
    for _ in range(15):
        asked = time.process_time()
        locator.locate(part)
        spent.append(time.process_time() - asked)
    assert built - begun < 0.5
    assert min(spent) < 0.05


def arguments(*line: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(list(map(str, line)))


def test_the_command_prints_candidates(ikhlas_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments(ikhlas_file, "--json")) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["file"] == str(ikhlas_file)
    assert 0 < len(row["candidates"]) <= 10
    assert all(place.keys() == {"at", "p"} for place in row["candidates"])
    assert command.run(arguments(ikhlas_file)) == 0
    assert row["candidates"][0]["at"] in capsys.readouterr().out


def test_a_made_voice_is_located(engine: OnnxEngine, make: Callable[..., MadeRecitation]) -> None:
    found = command.locate(engine, make("78:1-16").pcm, 6.0)
    assert "78:1:1" in [place.at for place in found]


def test_silence_is_nowhere(engine: OnnxEngine) -> None:
    assert command.locate(engine, np.zeros(80_000, np.float32)) == []
    assert command.locate(engine, np.zeros(0, np.float32)) == []


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan", "1e9"])
def test_bad_seconds_are_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments("a.wav", "--seconds", seconds)
    assert "seconds" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nothing\.wav"):
        command.run(arguments(tmp_path / "nothing.wav"))


def test_real_recitation_is_located(engine: OnnxEngine, recordings: Path) -> None:
    rows = map(json.loads, (recordings / "index.jsonl").read_text().splitlines())
    rows = [row for row in rows if row["voice"] == "alafasy"][:6]
    needed = max(row["start"] + row["samples"] for row in rows)
    parts: list[Pcm] = []
    for part in stream_audio(recordings / rows[0]["file"]):
        parts.append(part)
        if sum(map(len, parts)) >= needed:
            break
    pcm = np.concatenate(parts)
    right = 0
    for row in rows:
        clip = pcm[max(0, row["start"] - 800) : row["start"] + row["samples"]]
        right += command.locate(engine, clip)[0].at == f"{row['surah']}:{row['ayah']}:1"
    assert right >= 4
