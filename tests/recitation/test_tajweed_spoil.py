"""Slips put into recitation are where and what they are said to be, and nothing else is changed."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from voiced import vowel

from recitation.accuracy.clips import development
from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ, Pcm
from recitation.judge import DOUBTFUL
from recitation.made_voice import VOICES, EspeakError, MadeRecitation
from recitation.made_voice.psola import period_of
from recitation.pipeline import passage
from recitation.prosody.formants import vowel_formants
from recitation.prosody.release import LAG_SAMPLES, release_of
from recitation.spoiling.kinds import GHUNNAH_RULES, KINDS, NOT_NASAL, PAUSES
from recitation.spoiling.sound import (
    Edit,
    apply,
    moved,
    paused,
    removed,
    replaced,
    retimed,
    room_of,
    second_formant_moved,
)
from recitation.spoiling.sources import PASSAGES, joined, recitals, stretches
from recitation.spoiling.spoil import APART_S, SETTLING_S, SPOKEN_KINDS, Clip, Spoiled, spoil, spoken_wrong
from recitation.spoiling.takes import Take, key_of, made, of_made, recorded
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.verdict import Slip

A = (660.0, 1550.0, 2500.0, 3400.0, 4400.0)
VERSES = "85:4-9"
"""Every kind of slip has a place here."""


@lru_cache(maxsize=1)
def _take() -> Take:
    return made(VERSES, "man4", 0.16, 0, Moshaf())


@pytest.fixture(scope="module")
def take() -> Take:
    try:
        return _take()
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")


def sung(seconds: float = 1.0) -> Pcm:
    """A steady vowel with a little noise, 150 Hz."""
    sound = vowel(150, A, seconds)
    return (sound + 1e-3 * np.random.default_rng(0).standard_normal(len(sound))).astype(np.float32)


def test_with_nothing_to_change_the_recording_comes_back() -> None:
    pcm = sung()
    for edit in (
        retimed(pcm, 3_000, 12_345, 1.0),
        second_formant_moved(pcm, 3_000, 9_000, 1.0),
        replaced(pcm, 3_000, 9_000, pcm[3_000:9_000]),
    ):
        np.testing.assert_allclose(apply(pcm, [edit]), pcm, atol=1e-6)


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.8, 1.5, 2.0, 3.0])
def test_a_stretch_lasts_as_long_as_wanted_at_the_same_pitch(factor: float) -> None:
    pcm = sung()
    edit = retimed(pcm, 4_000, 10_000, factor)
    changed = apply(pcm, [edit])
    assert len(changed) - len(pcm) == pytest.approx(6_000 * (factor - 1), abs=161)
    np.testing.assert_array_equal(changed[:4_000], pcm[:4_000])
    np.testing.assert_array_equal(changed[-6_000:], pcm[-6_000:])
    assert period_of(edit.piece) == pytest.approx(period_of(pcm), rel=0.01)
    # Grains that go on badly cancel each other.
    levels = np.sqrt(
        np.square(changed[800:-800].reshape(-1, 1)[: len(changed) // 800 * 800 - 1600]).reshape(-1, 800).mean(1)
    )
    assert levels.min() > 0.7 * levels.max()


def test_what_is_too_short_to_be_made_of_grains_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        retimed(sung(), 4_000, 4_400, 0.5)


@pytest.mark.parametrize("factor", [0.72, 0.85, 1.2, 1.35])
def test_only_the_second_formant_moves(factor: float) -> None:
    pcm = sung()
    before = vowel_formants(pcm[4_000:12_000])
    edit = second_formant_moved(pcm, 4_000, 12_000, factor)
    after = vowel_formants(edit.piece[800:-800])
    assert before is not None and after is not None
    assert after.hz[1] / before.hz[1] == pytest.approx(factor, rel=0.05)
    assert after.hz[0] == pytest.approx(before.hz[0], rel=0.05)
    assert after.hz[2] == pytest.approx(before.hz[2], rel=0.05)
    assert period_of(edit.piece) == pytest.approx(period_of(pcm), rel=0.01)


def test_edits_move_what_comes_after_them() -> None:
    pcm = np.arange(100, dtype=np.float32)
    edits = [Edit(10, 20, np.zeros(4, np.float32)), Edit(50, 50, np.ones(6, np.float32))]
    changed = apply(pcm, edits)
    assert len(changed) == 100
    for sample in (0, 9, 20, 49, 50, 99):
        assert changed[moved(sample, edits)] == sample
    assert 10 <= moved(15, edits) < 14
    with pytest.raises(ValueError, match="does not fit"):
        apply(pcm, edits[::-1])


def test_a_cut_is_closed_and_a_pause_filled_with_the_room() -> None:
    pcm = np.concatenate([sung(), 1e-3 * np.random.default_rng(1).standard_normal(4_096).astype(np.float32), sung()])
    cut = apply(pcm, [removed(pcm, 4_000, 6_000)])
    assert len(cut) == len(pcm) - 2_000
    np.testing.assert_array_equal(cut[4_080:], pcm[6_080:])
    room = room_of(pcm, 8_000, np.random.default_rng(2))
    assert float(np.sqrt(np.mean(np.square(room)))) == pytest.approx(1e-3, rel=0.2)
    held = apply(pcm, [paused(pcm, 4_000, room)])
    np.testing.assert_array_equal(held[4_000:12_000], room)
    np.testing.assert_array_equal(held[12_080:], pcm[4_080:])


def test_a_made_take_knows_its_rules(take: Take, fatihah: MadeRecitation) -> None:
    rules = {found.instance.rule for found in take.found}
    assert {Rule.MADD_TABII, Rule.IKHFA, Rule.QALQALAH_KUBRA, Rule.TAFKHIM, Rule.TARQIQ, Rule.WAQF} <= rules
    exact = of_made(fatihah, passage("1:1-7"), Moshaf())
    assert exact.harakah_s == pytest.approx(fatihah.harakah_s, rel=0.25)
    assert [(heard.start, heard.end) for heard in exact.phones] == [(p.start, p.end) for p in fatihah.phones]
    for before, after in pairwise(exact.phones):
        assert (before.following is None) == (before.end != after.start)


@pytest.mark.parametrize("seed", [0, 1])
def test_slips_are_apart_and_the_rest_is_untouched(take: Take, seed: int) -> None:
    clip, again = spoil(take, seed), spoil(take, seed)
    assert clip.spoiled == again.spoiled
    np.testing.assert_array_equal(clip.pcm, again.pcm)
    assert len(clip.spoiled) > 3 and len({slip.kind for slip in clip.spoiled}) > 3
    assert clip.spoiled[0].start >= SETTLING_S * SAMPLE_HZ
    known = set(map(key_of, take.found))
    assert all(slip.key in known for slip in clip.spoiled if slip.kind not in PAUSES)
    for before, after in pairwise(clip.spoiled):
        assert after.start - before.end > 0.9 * APART_S * SAMPLE_HZ
    np.testing.assert_array_equal(clip.pcm[: clip.spoiled[0].start], take.pcm[: clip.spoiled[0].start])
    tail = len(clip.pcm) - clip.spoiled[-1].end
    np.testing.assert_array_equal(clip.pcm[-tail:], take.pcm[-tail:])


def test_another_seed_gives_another_clip(take: Take) -> None:
    assert spoil(take, 0).spoiled != spoil(take, 1).spoiled


def only(take: Take, kind: str) -> Clip:
    clip = spoil(take, 3, [kind])
    assert clip.spoiled, f"there is no place for {kind}"
    return clip


def place_of(take: Take, slip: Spoiled) -> Found:
    return next(found for found in take.found if key_of(found) == slip.key)


def test_a_madd_lasts_as_long_as_it_is_said_to(take: Take, engine: OnnxEngine) -> None:
    clip = spoil(take, 3, ["madd cut", "madd stretched"])
    heard = recorded(engine, clip.pcm, take.passage, "", "", Moshaf())
    misses = []
    for one in clip.spoiled:
        found = place_of(take, one)
        assert found.instance.rule.family is Family.MADD
        assert one.slip is (Slip.SHORT if one.kind == "madd cut" else Slip.LONG)
        wanted = {Slip.SHORT: 0.5, Slip.LONG: 2.0}[one.slip]
        assert one.amount == pytest.approx(wanted, rel=0.1) or found.instance.counts != (2, 2)
        before, after = found.phones[-1], heard.phones[heard.place(found.phones[-1])]
        if before.seconds and after.seconds:  # The ear may have heard a short vowel, as it should.
            misses.append(after.seconds / before.seconds / one.amount)
    assert len(misses) >= 4 and np.median(misses) == pytest.approx(1, abs=0.1)


def test_a_ghunnah_is_halved_or_loses_its_murmur(take: Take) -> None:
    halved = only(take, "ghunnah halved")
    assert all(slip.rule in GHUNNAH_RULES and slip.amount == pytest.approx(0.5, abs=0.1) for slip in halved.spoiled)
    assert len(halved.pcm) < len(take.pcm)
    lost = only(take, "ghunnah lost")
    assert len(lost.pcm) == len(take.pcm)
    depth = -min(gain for _, gain in NOT_NASAL)
    for slip in lost.spoiled:
        middle = slice(slip.start + 400, slip.end - 400)
        low = _band(take.pcm[middle], 220, 480) - _band(lost.pcm[middle], 220, 480)
        high = _band(take.pcm[middle], 1_200, 4_000) - _band(lost.pcm[middle], 1_200, 4_000)
        assert low > 0.6 * depth and abs(high) < 3


def _band(pcm: Pcm, low_hz: float, high_hz: float) -> float:
    """Level of a band, dB."""
    power = np.square(np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))))
    hz = np.fft.rfftfreq(len(pcm), 1 / SAMPLE_HZ)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz <= high_hz)].sum() + 1e-12))


def test_a_qalqalah_before_a_pause_has_no_release_any_more(take: Take) -> None:
    clip = only(take, "qalqalah removed")
    for slip in clip.spoiled:
        found = place_of(take, slip)
        echo = found.phones[-1]
        assert found.instance.rule is Rule.QALQALAH_KUBRA and echo.start is not None and echo.end is not None
        left = clip.pcm[slip.start + 100 : slip.end - 100]
        assert slip.slip is Slip.MISSING and len(left) > echo.end - echo.start
        assert np.abs(left).max() < 0.05 * np.abs(take.pcm[echo.start : echo.end]).max()


def test_a_qalqalah_before_a_letter_opens_straight_into_it(take: Take) -> None:
    other = made("95:4-5", take.source, 0.16, 0, Moshaf())
    clip = only(other, "qalqalah removed")
    slip = clip.spoiled[0]  # nothing before it has moved
    found = place_of(other, slip)
    letter, echo = found.phones
    assert found.instance.rule is Rule.QALQALAH_SUGHRA and echo.end is not None
    before = release_of(other.pcm, letter.phone.start, echo.end + LAG_SAMPLES)
    after = release_of(clip.pcm, letter.phone.start, slip.start + LAG_SAMPLES)
    assert before is not None and before.echo_s is not None and before.echo_s > 0.03
    assert after is not None and after.echo_s is not None and after.echo_s < 0.01
    assert len(clip.pcm) < len(other.pcm)


def test_weights_are_moved_in_the_vowel_after_the_letter(take: Take) -> None:
    for kind, slip, factor in (("heavy said light", Slip.LIGHT, 1.35), ("light said heavy", Slip.HEAVY, 0.72)):
        clip = only(take, kind)
        for one in clip.spoiled:
            assert one.slip is slip and one.amount == factor
            assert one.rule is (Rule.TAFKHIM if slip is Slip.LIGHT else Rule.TARQIQ)
            assert len(clip.pcm) == len(take.pcm)
            span = slice(one.start + 400, one.end - 400)
            bands = [_band(pcm[span], 900, 2_200) - _band(pcm[span], 300, 900) for pcm in (take.pcm, clip.pcm)]
            assert bands[0] != pytest.approx(bands[1], abs=0.5)


@pytest.mark.parametrize(("kind", "made"), [("word broken", Slip.BROKEN), ("stopped as if joined", Slip.REPLACED)])
def test_a_pause_is_put_where_none_belongs(take: Take, kind: str, made: Slip) -> None:
    clip = only(take, kind)
    for slip in clip.spoiled:
        quiet = clip.pcm[slip.start + 200 : slip.end - 200]
        assert slip.slip is made and len(quiet) > 0.5 * SAMPLE_HZ
        assert float(np.abs(quiet).max()) < 0.02
        phones = [heard.phone for heard in take.phones]
        place = max(n for n, phone in enumerate(phones) if (phone.at, phone.letters) == (slip.at, slip.letters))
        assert (phones[place + 1].at == slip.at) == (made is Slip.BROKEN)


@pytest.mark.parametrize("kind", [*KINDS, *PAUSES])
def test_every_kind_finds_a_place(take: Take, kind: str) -> None:
    assert {slip.kind for slip in only(take, kind).spoiled} == {kind}


def test_made_voices_are_drawn_by_the_seed() -> None:
    assert list(recitals(30, 1)) == list(recitals(30, 1)) != list(recitals(30, 2))
    assert all(passage(verses).words and voice in VOICES for verses, voice, _ in recitals(len(PASSAGES), 1))


def test_a_made_voice_recites_wrong_what_it_can_recite_right(make: Callable[..., MadeRecitation]) -> None:
    make("112")  # skips where espeak-ng is missing
    clip = spoken_wrong("78:1-9", "man1", 0.15, 1, Moshaf())
    assert {slip.kind for slip in clip.spoiled} == set(SPOKEN_KINDS)
    np.testing.assert_array_equal(clip.take.pcm, spoken_wrong("78:1-9", "man1", 0.15, 1, Moshaf()).take.pcm)
    for slip in clip.spoiled:
        found = place_of(clip.take, slip)
        said, meant = slip.end - slip.start, (found.phones[-1].end or 0) - (found.phones[-1].start or 0)
        if slip.slip in (Slip.SHORT, Slip.LONG):
            assert said / meant == pytest.approx(slip.amount, rel=0.15)
    numbers = [int(slip.at.split(":")[2]) for slip in clip.spoiled]
    ayat = [slip.at.rsplit(":", 1)[0] for slip in clip.spoiled]
    assert all(b - a >= 3 for (a, b), (x, y) in zip(pairwise(numbers), pairwise(ayat), strict=True) if x == y)


def test_the_ear_still_takes_the_letters_beside_a_slip(take: Take, engine: OnnxEngine) -> None:
    clip = spoil(take, 0)
    p = {
        (heard.phone.at, heard.phone.index): heard.phone.p
        for heard in recorded(engine, clip.pcm, take.passage, "", "", Moshaf()).phones
    }
    beside = [p.get(phone, 0.0) for slip in clip.spoiled for phone in slip.neighbours]
    assert len(beside) > 6
    assert np.mean(np.array(beside) >= DOUBTFUL) > 0.75


def test_what_is_held_is_known_from_its_begin_and_not_from_where_the_ear_emits_it(
    make: Callable[..., MadeRecitation], engine: OnnxEngine
) -> None:
    said = make("114")
    truth = of_made(said, passage("114"), Moshaf())
    heard = recorded(engine, said.pcm, truth.passage, "made", "made", Moshaf())
    starts = {key_of(found): found.phones[0].start for found in truth.found if found.instance.rule in GHUNNAH_RULES}
    off = [
        (found.phones[0].start or 0) - (starts[key_of(found)] or 0) for found in heard.found if key_of(found) in starts
    ]
    assert len(off) >= 2
    assert max(map(abs, off)) <= 0.04 * SAMPLE_HZ


def test_real_recitation_is_spoiled_likewise(recordings: Path, engine: OnnxEngine) -> None:
    phones = [one for one in development(recordings) if one.group == "phones"]
    alone = stretches(phones)
    assert len(alone) == len({one.voice for one in phones})
    alone.sort(key=lambda stretch: -(stretch[0].samples or 0))
    utterance, pcm = next(iter(joined(alone[:1])))
    take = recorded(engine, pcm, utterance.passage(), utterance.voice, utterance.group, Moshaf())
    assert {found.at for found in take.found} <= {word.at for word in take.passage.words}
    clip = spoil(take, 0)
    assert clip.spoiled and not np.array_equal(clip.pcm[: len(pcm)], pcm)


def test_ayat_of_one_voice_are_put_together(recordings: Path) -> None:
    reciter = [one for one in development(recordings) if one.group == "reciter"]
    found = stretches(reciter)
    assert sum(map(len, found)) == len(reciter)
    lengths = [sum(one.samples or 0 for one in stretch) / SAMPLE_HZ for stretch in found if len(stretch) > 1]
    assert max(lengths) <= 45 and np.median(lengths) > 30
