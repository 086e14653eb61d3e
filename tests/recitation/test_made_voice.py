"""The made voice says what it claims, where it claims, and its mistakes are heard there and nowhere else."""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations, groupby, pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from recitation.audio import SAMPLE_HZ, read_audio
from recitation.features import features_of
from recitation.lexicon import Phone, Word, default_lexicon
from recitation.made_voice import (
    VOICES,
    EspeakError,
    MadeRecitation,
    Manner,
    Order,
    RandomOrders,
    SlipError,
    make_recitation,
    parse_order,
)
from recitation.made_voice.command import SAMPLES, add_arguments, recite_reference, run
from recitation.made_voice.espeak import Espeak, espeak
from recitation.made_voice.psola import period_of
from recitation.made_voice.speech import HEAVY_LETTERS
from recitation.phones import CONSONANTS, INDEX, UNITS, is_madd, is_vowel
from recitation.sound_files import write_audio

try:
    espeak()
except EspeakError as missing:
    pytest.skip(f"the made voice needs espeak-ng: {missing}", allow_module_level=True)

EVEN = Manner(variation=0, range_semitones=0, noise_dbfs=None, pause_s=(0.5, 0.5))
"""A delivery without chance, for comparing two recitations."""


def recite(verses: str, **options: object) -> MadeRecitation:
    return recite_reference(verses, **options)


def sifa_index(heavy: bool) -> int:
    """A set of traits with or without tafkheem."""
    return next(n for n, row in enumerate(default_lexicon().sifat) if (row[2] == "mofakham") == heavy)


def say_unit(unit: str, voice: str = "man1") -> tuple[MadeRecitation, int]:
    """A word ``ءَ`` + unit (+ ``َ`` after a consonant); the place of the unit in ``phones``."""
    after = [] if is_vowel(INDEX[unit]) else ["َ"]
    before = ["ب"] if is_vowel(INDEX[unit]) else ["ء", "َ"]
    heavy = unit[0] in HEAVY_LETTERS
    form = tuple(
        Phone(INDEX[u], 2 if is_madd(INDEX[u]) else 1, (0, 0), sifa_index(heavy and n >= len(before)), 0)
        for n, u in enumerate([*before, unit, *after, "م"])
    )
    word = Word(1, 1, 1, "", form, form, form, form)
    return make_recitation([(word, form)], voice, manner=EVEN), len(before)


def rms(pcm: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(pcm))))


def script_of(made: MadeRecitation) -> list[str]:
    return [phone.script for phone in made.phones]


def words_of(made: MadeRecitation) -> list[str]:
    return [at for at, _ in groupby(phone.at for phone in made.phones)]


def assert_tiles(made: MadeRecitation) -> None:
    spans = sorted([(p.start, p.end) for p in made.phones] + made.pauses)
    assert spans[0][0] == 0
    assert spans[-1][1] == len(made.pcm)
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(start < end for start, end in spans)


@pytest.mark.parametrize(
    ("verses", "voice", "tempo"),
    [("1:1-7", "man1", 0.15), ("112", "woman2", 0.09), ("2:282", "man8", 0.12), ("19:1", "woman5", 0.25)],
)
def test_phones_and_pauses_tile_the_sound(verses: str, voice: str, tempo: float) -> None:
    made = recite(verses, voice=voice, harakah_s=tempo, random=5)
    assert_tiles(made)
    assert made.pcm.dtype == np.float32
    assert np.abs(made.pcm).max() < 1


def test_the_phones_are_those_of_the_lexicon_in_order() -> None:
    made = recite("1:1-7")
    expected = [
        (word.at, index, phone.unit)
        for ayah in range(1, 8)
        for number in range(1, default_lexicon().word_count(1, ayah) + 1)
        for word in [default_lexicon().word(1, ayah, number)]
        for index, phone in enumerate(
            word.form(started=number == 1, stopped=number == default_lexicon().word_count(1, ayah))
        )
    ]
    assert [(p.at, p.index, p.unit) for p in made.phones] == expected


def test_pauses_are_quiet_and_phones_are_not() -> None:
    made = recite("112", random=3)
    for start, end in made.pauses:
        assert rms(made.pcm[start:end]) < 10 ** (-60 / 20)
    speech = [rms(made.pcm[phone.start : phone.end]) for phone in made.phones]
    assert min(speech) > 10 ** (-55 / 20)


def test_a_hamza_is_heard_before_a_pause() -> None:
    for voice in ("man8", "woman1"):
        made = recite("3:5", voice=voice, manner=EVEN)
        hamza = next(p for p in made.phones if p.script == "ء" and p.end in {start for start, _ in made.pauses})
        assert rms(made.pcm[hamza.start : hamza.end]) > 10 ** (-50 / 20)


def test_a_stop_of_choice_makes_a_pause_and_stopping_forms() -> None:
    joined, stopped = recite("1:7"), recite("1:7", stops=["1:7:4"])
    assert len(stopped.pauses) == len(joined.pauses) + 1
    begin, end = stopped.pauses[1]
    assert [p.at for p in stopped.phones if p.end == begin] == ["1:7:4"]
    assert [p.at for p in stopped.phones if p.start == end] == ["1:7:5"]
    assert_tiles(stopped)


def test_madd_of_six_counts_is_three_times_one_of_two() -> None:
    made = recite("1:7", harakah_s=0.15, manner=EVEN)
    length = {(p.at, p.index): (p.end - p.start) / SAMPLE_HZ for p in made.phones}
    assert length["1:7:9", 2] == pytest.approx(6 * 0.15, rel=1e-3)
    assert length["1:7:1", 4] == pytest.approx(2 * 0.15, rel=1e-3)
    span = next(p for p in made.phones if (p.at, p.index) == ("1:7:9", 2))
    parts = np.array_split(made.pcm[span.start : span.end], 6)
    levels = [rms(part) for part in parts]
    assert min(levels) > 0.4 * max(levels), "the whole madd sounds"


def test_tempo_scales_the_vowels_and_ghunnah_takes_two_counts() -> None:
    for tempo in (0.09, 0.25):
        made = recite("114:6", harakah_s=tempo, manner=EVEN)
        held = [p.end - p.start for p in made.phones if p.script == "نننن"]
        assert held == pytest.approx([2 * tempo * SAMPLE_HZ] * 2, rel=1e-3)


def test_geminates_last_longer_than_single_letters() -> None:
    for letter in "بتسلرد":
        single, double = say_unit(letter), say_unit(letter * 2)
        lengths = [made.phones[n].end - made.phones[n].start for made, n in (single, double)]
        assert lengths[1] > 1.7 * lengths[0], letter


@pytest.mark.parametrize("unit", UNITS[1:])
def test_every_unit_can_be_spoken_and_sounds(unit: str) -> None:
    for voice in ("man1", "woman3"):
        made, place = say_unit(unit, voice)
        phone = made.phones[place]
        assert phone.script == unit
        assert rms(made.pcm[phone.start : phone.end]) > 10 ** (-50 / 20)


def shape(unit: str) -> np.ndarray:
    """Five log-mel frames spread over a unit, after ``ءَ``."""
    made, place = say_unit(unit)
    phone = made.phones[place]
    frames = features_of(made.pcm)[phone.start // 160 + 1 : phone.end // 160 + 1]
    spread: np.ndarray = frames[np.linspace(0, len(frames) - 1, 5).round().astype(int)]
    return spread


def test_distinct_letters_sound_different() -> None:
    shapes = {letter: shape(letter) for letter in CONSONANTS}
    # Chance: the same letter with other noise.
    chance = max(float(np.abs(shapes[letter] - shape(letter)).mean()) for letter in "سشخ")
    distance = {(a, b): float(np.abs(shapes[a] - shapes[b]).mean()) for a, b in combinations(CONSONANTS, 2)}
    nearest = min(distance, key=lambda pair: distance[pair])
    assert distance[nearest] > max(0.2, 2 * chance), nearest
    for pair in ("سص", "تط", "دض", "ذظ", "كق", "حه", "ءع", "خغ", "ثس", "ثذ"):
        assert distance[(pair[0], pair[1]) if (pair[0], pair[1]) in distance else (pair[1], pair[0])] > 0.3, pair


def test_held_nasals_ikhfa_and_iqlab_differ() -> None:
    shapes = [shape(unit) for unit in ("نننن", "مممم", "ںںں", "۾۾۾")]
    assert min(float(np.abs(a - b).mean()) for a, b in combinations(shapes, 2)) > 0.2


def test_no_click_where_phones_join() -> None:
    made = recite("1:1-7", manner=EVEN, voice="woman6")
    jumps = np.abs(np.diff(made.pcm))
    joins = [p.start for p in made.phones if rms(made.pcm[p.start - 80 : p.start + 80]) > 0.02]
    assert len(joins) > 50
    for join in joins:
        near = np.concatenate([jumps[join - 400 : join - 8], jumps[join + 8 : join + 400]])
        assert jumps[join - 8 : join + 8].max() < 1.3 * near.max(), join


def test_pitch_is_what_was_asked() -> None:
    for hz in (110, 170, 240):
        made = recite("1:7", manner=Manner(variation=0, range_semitones=0, noise_dbfs=None, pitch_hz=hz))
        madd = next(p for p in made.phones if (p.at, p.index) == ("1:7:9", 2))
        assert SAMPLE_HZ / period_of(made.pcm[madd.start + 1600 : madd.end - 1600]) == pytest.approx(hz, rel=0.02)


def test_voices_are_many_and_distinct() -> None:
    women = [name for name, voice in VOICES.items() if voice.woman]
    assert len(VOICES) >= 12
    assert len(women) >= 4
    spoken = {name: recite("112:1", voice=name, manner=EVEN) for name in VOICES}
    means = {name: features_of(made.pcm)[40:140].mean(axis=0) for name, made in spoken.items()}
    for a, b in combinations(VOICES, 2):
        assert np.abs(means[a] - means[b]).mean() > 0.01, (a, b)
    with pytest.raises(ValueError, match="no voice 'nobody'"):
        recite("112:1", voice="nobody")


def test_the_seed_decides_the_samples() -> None:
    first, again, other = (recite("112", errors=["random:2"], random=seed) for seed in (4, 4, 5))
    assert np.array_equal(first.pcm, again.pcm)
    assert (first.phones, first.errors) == (again.phones, again.errors)
    assert len(first.pcm) != len(other.pcm) or not np.array_equal(first.pcm, other.pcm)


def _samples(seed: int) -> np.ndarray:
    return recite("113:1", random=seed).pcm


def test_processes_do_not_disturb_each_other() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        elsewhere = list(pool.map(_samples, [1, 2]))
    assert all(np.array_equal(pcm, _samples(seed)) for seed, pcm in zip([1, 2], elsewhere, strict=True))


def test_a_changed_letter_is_heard_where_it_is_said_to_be() -> None:
    right, wrong = (recite("1:6", manner=EVEN, errors=orders) for orders in ([], ["letter:1:6:2:0=س"]))
    (slip,) = wrong.errors
    assert (slip.kind, slip.at, slip.index, slip.wanted, slip.spoken) == ("letter", "1:6:2", 0, "صص", "س")
    changed = next(p for p in wrong.phones if (p.at, p.index) == ("1:6:2", 0))
    assert (changed.script, changed.start, changed.end) == ("س", slip.start, slip.end)
    assert [p.at for p in right.phones] == [p.at for p in wrong.phones]

    def difference(keep: slice) -> float:
        return float(np.abs(features_of(right.pcm)[keep] - features_of(wrong.pcm)[keep]).mean())

    before = slice(35, slip.start // 160 - 20)
    assert difference(slice(slip.start // 160 + 2, slip.end // 160)) > 0.3
    assert difference(before) < 0.1


def test_a_changed_vowel_keeps_the_letters() -> None:
    right, wrong = recite("112:3"), recite("112:3", errors=["vowel:112:3:2"])
    (slip,) = wrong.errors
    different = [(a.script, b.script) for a, b in zip(right.phones, wrong.phones, strict=True) if a.unit != b.unit]
    assert different == [(slip.wanted, slip.spoken)]
    assert {slip.wanted, slip.spoken} < set("َُِ")


def test_a_shortened_madd_is_short() -> None:
    right, wrong = (recite("1:7", manner=EVEN, errors=orders) for orders in ([], ["madd:1:7:9:2"]))
    (slip,) = wrong.errors
    assert (slip.wanted, slip.spoken) == ("اااااا", "اا")
    assert slip.end - slip.start == pytest.approx(2 * 0.15 * SAMPLE_HZ, rel=1e-3)
    assert len(right.pcm) - len(wrong.pcm) == pytest.approx(4 * 0.15 * SAMPLE_HZ, rel=1e-2)
    assert script_of(right) == script_of(wrong)


def test_a_natural_madd_can_be_lost() -> None:
    right, wrong = recite("112:1"), recite("112:1", errors=["madd:112:1:3"])
    (slip,) = wrong.errors
    assert (slip.wanted, slip.spoken) == ("اا", "")
    missing = [p for p in right.phones if (p.at, p.index) == ("112:1:3", slip.index)]
    assert [p.script for p in missing] == ["اا"]
    assert len(wrong.phones) == len(right.phones) - 1
    assert slip.start in {p.start for p in wrong.phones}


def test_a_dropped_ghunnah_is_short() -> None:
    wrong = recite("114:6", errors=["ghunnah:114:6:2"], manner=EVEN)
    (slip,) = wrong.errors
    assert (slip.wanted, slip.spoken) == ("نننن", "ن")
    assert slip.end - slip.start < 0.7 * 2 * 0.15 * SAMPLE_HZ


def test_words_dropped_repeated_and_swapped() -> None:
    words = [f"112:3:{n}" for n in range(1, 5)]
    assert words_of(recite("112:3")) == words
    dropped = recite("112:3", errors=["drop:112:3:2"])
    assert words_of(dropped) == [words[0], *words[2:]]
    assert dropped.errors[0].start == next(p.start for p in dropped.phones if p.at == words[2])
    first = recite("112:3", errors=["drop:112:3:1"])
    assert first.errors[0].start == first.phones[0].start
    swapped = recite("112:3", errors=["swap:112:3:2"])
    assert words_of(swapped) == [words[0], words[2], words[1], words[3]]
    back = recite("112:3", errors=["back:112:3:3=2"])
    assert words_of(back) == [*words[:3], *words[1:]]
    (slip,) = back.errors
    assert (slip.start, slip.spoken) == (back.pauses[1][1], "112:3:2 112:3:3")
    repeated = recite("112:3", errors=["repeat:112:3:2"])
    assert len(repeated.pauses) == 3
    for made in (dropped, first, swapped, back, repeated):
        assert_tiles(made)


@pytest.mark.parametrize("seed", range(8))
def test_random_mistakes_are_as_many_as_asked_and_true(seed: int) -> None:
    right = recite("2:1-7", random=seed, manner=EVEN)
    wrong = recite("2:1-7", random=seed, manner=EVEN, errors=["random:5"])
    assert len(wrong.errors) == 5
    assert_tiles(wrong)
    canonical = {(p.at, p.index): p.script for p in right.phones}
    for slip in wrong.errors:
        spoken = [p for p in wrong.phones if p.start == slip.start and p.end == slip.end]
        if slip.kind in ("letter", "vowel", "ghunnah"):
            assert [(p.at, p.index, p.script) for p in spoken] == [(slip.at, slip.index, slip.spoken)]
            assert canonical[slip.at, slip.index or 0] == slip.wanted != slip.spoken
    changed = {slip.at for slip in wrong.errors if slip.kind in ("letter", "vowel", "ghunnah")}
    told = {(p.at) for p in wrong.phones if canonical.get((p.at, p.index), p.script) != p.script}
    # Forms at a new pause differ too; all other differences are mistakes that were told.
    if not any(slip.kind in ("drop", "repeat", "back", "swap") for slip in wrong.errors):
        assert told == changed


def test_orders_are_read_and_refused() -> None:
    assert parse_order("letter:1:3:2") == Order("letter", "1:3:2")
    assert parse_order("letter:1:3:2:4=س") == Order("letter", "1:3:2", 4, "س")
    assert parse_order("random:3") == RandomOrders(3)
    for text in ("letter", "shout:1:1:1", "drop:1:1", "random:x"):
        with pytest.raises(SlipError, match="is no mistake"):
            parse_order(text)
    for order in ("drop:1:9:1", "ghunnah:1:1:1", "letter:1:1:1:99", "letter:1:1:1:0=q", "swap:1:1:4", "madd:1:1:2=x"):
        with pytest.raises(SlipError):
            recite("1:1", errors=[order])
    with pytest.raises(SlipError, match="one mistake a word"):
        recite("1:1", errors=["drop:1:1:1", "repeat:1:1:1"])


def test_a_missing_espeak_is_named_with_its_cure() -> None:
    with pytest.raises(EspeakError, match="apt-get install espeak-ng"):
        Espeak("libespeak-ng-that-is-not-there.so.1")


def test_it_is_ten_times_faster_than_speech() -> None:
    recite("1:1")
    begin = time.perf_counter()
    made = recite("1:1-7")
    assert len(made.pcm) / SAMPLE_HZ > 10 * (time.perf_counter() - begin)


@pytest.mark.parametrize("suffix", ["wav", "flac", "opus", "ogg"])
def test_files_keep_the_times(suffix: str, tmp_path: Path) -> None:
    made = recite("112:1", manner=Manner(noise_dbfs=-70))
    path = tmp_path / f"x.{suffix}"
    write_audio(path, made.pcm)
    heard = read_audio(path)
    assert abs(len(heard) - len(made.pcm)) <= 320
    size = 1 << 18
    lag = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(made.pcm, size))).argmax()
    assert min(lag, size - lag) <= 2
    if suffix in ("opus", "ogg"):
        assert path.stat().st_size * 8 / (len(made.pcm) / SAMPLE_HZ) < 45_000


def test_the_command_writes_sound_and_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    out, times = tmp_path / "a.wav", tmp_path / "a.json"
    line = [
        "112:1",
        str(out),
        "--tempo",
        "0.12",
        "--errors",
        "drop:112:1:2",
        "--times",
        str(times),
        "--voice",
        "woman1",
    ]
    assert run(parser.parse_args(line)) == 0
    assert "drop at 112:1:2" in capsys.readouterr().err
    truth = json.loads(times.read_text("utf-8"))
    assert truth["seconds"] == pytest.approx(len(read_audio(out)) / SAMPLE_HZ)
    assert [word["at"] for word in truth["words"]] == ["112:1:1", "112:1:3", "112:1:4"]
    assert [error["kind"] for error in truth["errors"]] == ["drop"]
    assert all(p["start"] < p["end"] for p in truth["phones"])
    for wrong in (["999", str(out)], ["1:1", str(tmp_path / "a.mp3")], ["1:1", str(out), "--errors", "x"]):
        assert run(parser.parse_args(wrong)) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_shipped_samples_match_their_times() -> None:
    folder = Path(__file__).parents[2] / "static" / "samples"
    index = json.loads((folder / "index.json").read_text("utf-8"))
    assert [entry["verses"] for entry in index] == [verses for verses, _, _ in SAMPLES]
    assert any(VOICES[entry["voice"]].woman for entry in index)
    for entry in index:
        path = folder / Path(entry["url"]).name
        truth = json.loads(path.with_suffix(".times.json").read_text("utf-8"))
        pcm = read_audio(path)
        assert len(pcm) / SAMPLE_HZ == pytest.approx(truth["seconds"], abs=0.03)
        loud = [rms(pcm[round(p["start"] * SAMPLE_HZ) : round(p["end"] * SAMPLE_HZ)]) for p in truth["phones"]]
        assert float(np.median(loud)) > 0.03
