"""Energy, pauses and breaths, rhythm, and phrases put together from them."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.made_voice import MadeRecitation
from recitation.phones import is_vowel
from recitation.pipeline import Session, passage
from recitation.pipeline import recite as recite_live
from recitation.prosody.energy import Levels, levels
from recitation.prosody.pauses import breath_s
from recitation.prosody.phrase import Phrase, PitchHistogram, range_of
from recitation.prosody.pitch import Contour, SwiftPitch
from recitation.prosody.rhythm import npvi, phones_per_second
from recitation.prosody.session import Prosody
from recitation.report import score
from recitation.vad import SileroVad

A = (730.0, 1090.0, 2440.0, 3400.0, 4400.0)
ROOM_DB = -70.0


def hiss(seconds: float, level_db: float, seed: int = 3) -> Pcm:
    noise = np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    return (10 ** (level_db / 20) * noise).astype(np.float32)


def test_levels_are_dbfs() -> None:
    assert levels(np.full(640, 0.1, np.float32)) == pytest.approx([-20, -20], abs=0.01)
    assert levels(np.zeros(320, np.float32)) == pytest.approx([-100])


@pytest.mark.parametrize("chunk", [1, 7, 320, 1280])
def test_chunks_change_no_level(chunk: int) -> None:
    pcm = hiss(0.2, -30)
    stream = Levels()
    for begin in range(0, len(pcm), chunk):
        stream.push(pcm[begin : begin + chunk])
    np.testing.assert_allclose(stream.read(0, len(pcm)), levels(pcm), rtol=1e-6)
    assert len(stream.read(100, 1000)) == 2  # frames 1 and 2 lie wholly inside


def test_the_room_is_the_quiet_part() -> None:
    stream = Levels()
    for _ in range(10):
        stream.push(hiss(1.0, -20))
        stream.push(hiss(0.2, -65))
    assert stream.room_db == pytest.approx(-65, abs=1)


def gap(breath_db: float | None, seconds: float = 0.3) -> Pcm:
    room = hiss(1.0, ROOM_DB)
    if breath_db is not None:
        swell = hiss(seconds, breath_db, 4) * np.hanning(round(seconds * 16_000)).astype(np.float32) * 1.6
        room[6000 : 6000 + len(swell)] += swell
    return room


def test_a_breath_is_heard() -> None:
    assert breath_s(gap(-45), ROOM_DB) == pytest.approx(0.3, abs=0.12)


@pytest.mark.parametrize("silent", [gap(None), gap(-45, 0.05)], ids=["room", "click"])
def test_silence_and_clicks_are_no_breath(silent: Pcm) -> None:
    assert breath_s(silent, ROOM_DB) == 0.0


def test_a_vowel_dying_away_is_no_breath() -> None:
    sound = gap(None)
    tail = vowel(120, A, 0.4)
    sound[: len(tail)] += tail * np.exp(-np.arange(len(tail)) / 2000).astype(np.float32)
    assert breath_s(sound, ROOM_DB) == 0.0


def test_a_gap_too_short_to_breathe_in() -> None:
    assert breath_s(hiss(0.1, -20), ROOM_DB) == 0.0


def test_npvi_of_grabe_and_low() -> None:
    assert npvi([0.2, 0.2, 0.2]) == 0.0
    assert npvi([0.1, 0.3]) == pytest.approx(100)
    assert npvi([1.0]) is None
    with pytest.raises(ValueError, match="positive"):
        npvi([0.1, 0.0])


def test_rate_of_articulation() -> None:
    assert phones_per_second(30, 48_000) == pytest.approx(10)
    assert phones_per_second(0, 0) is None


def test_range_is_percentiles_of_what_is_voiced() -> None:
    hz = np.geomspace(100, 200, 1000).astype(np.float32)
    loud, doubtful = np.ones(1000, np.float32), np.zeros(1000, np.float32)
    found = range_of([Contour(0, hz, loud), Contour(0, hz * 4, doubtful)])
    assert found is not None
    for value, wanted in ((found.low_hz, 5), (found.median_hz, 50), (found.high_hz, 95)):
        assert value == pytest.approx(np.percentile(hz, wanted), rel=0.004)
    assert PitchHistogram().range is None


def recite(made: MadeRecitation, network: SwiftPitch, chunk: int) -> tuple[list[Phrase], Prosody]:
    """Feed a made recitation with its true phone times, gaps of 0.2 s and more being pauses."""
    prosody, phrases = Prosody(), []
    events = [(phone.end + 4_000, "phone", n) for n, phone in enumerate(made.phones)]
    for begin in range(0, len(made.pcm), chunk):
        prosody.push(made.pcm[begin : begin + chunk])
        while events and events[0][0] <= begin + chunk:
            _tell(prosody, made, events.pop(0)[2])
        phrases += prosody.hear(network.step([prosody.pitch])[0])
    for _, _, n in events:
        _tell(prosody, made, n)
    prosody.finish()
    return phrases + prosody.hear(network.step([prosody.pitch])[0]), prosody


def _tell(prosody: Prosody, made: MadeRecitation, n: int) -> None:
    phone = made.phones[n]
    if n and phone.start - made.phones[n - 1].end >= 3_200:
        prosody.pause(made.phones[n - 1].end, phone.start)
    prosody.phone(phone.start, phone.end, 1.0 if is_vowel(phone.unit) else None)


def test_a_recitation_in_phrases(make: Callable[..., MadeRecitation]) -> None:
    made, network = make("112"), SwiftPitch()
    phrases, prosody = recite(made, network, 1280)
    pauses = [b.start - a.end for a, b in pairwise(made.phones) if b.start - a.end >= 3_200]
    assert len(phrases) == len(pauses) + 1 and len(pauses) >= 3
    assert sum(phrase.phones for phrase in phrases) == len(made.phones)
    assert [phrase.pause_s for phrase in phrases[:-1]] == pytest.approx([p / 16_000 for p in pauses])
    assert phrases[-1].pause_s is None and all(phrase.breath_s == 0 for phrase in phrases)
    for phrase in phrases:
        assert phrase.pitch is not None and 60 < phrase.pitch.low_hz <= phrase.pitch.median_hz <= phrase.pitch.high_hz
        assert phrase.contour_start >= phrase.start
        assert len(phrase.contour_hz) == pytest.approx((phrase.end - phrase.start) / 256, abs=2)
    assert prosody.range is not None


def test_chunks_change_no_phrase(make: Callable[..., MadeRecitation]) -> None:
    made, network = make("112"), SwiftPitch()
    fine, coarse = recite(made, network, 400)[0], recite(made, network, 6_400)[0]
    for a, b in zip(fine, coarse, strict=True):
        assert (a.start, a.end, a.phones, a.npvi, a.pause_s) == (b.start, b.end, b.phones, b.npvi, b.pause_s)
        np.testing.assert_allclose(a.contour_hz, b.contour_hz, rtol=1e-3)


def test_a_long_gap_is_a_pause_and_a_long_silence_ends_a_phrase() -> None:
    prosody, network = Prosody(), SwiftPitch()
    prosody.push(np.tile(vowel(150, A, 1.0), 6))
    for start in (0, 4_000, 8_000, 16_800, 20_800):
        prosody.phone(start, start + 4_000, 1.0)
    (first,) = prosody.hear(network.step([prosody.pitch])[0])
    assert (first.start, first.end, first.phones, first.pause_s) == (0, 12_000, 3, 0.3)
    prosody.rest(24_800 + 23_000)
    assert prosody.hear(network.step([prosody.pitch])[0]) == []
    prosody.rest(24_800 + 24_000)
    (second,) = prosody.hear(network.step([prosody.pitch])[0])
    assert (second.start, second.end, second.pause_s) == (16_800, 24_800, 1.5)
    report = prosody.report()
    assert (report.phrases, report.breaths, report.phones_per_s) == (2, 0, 4.0)
    assert report.pitch is not None and report.pitch.median_hz == pytest.approx(150, rel=0.03)
    assert report.npvi == 0


def test_the_live_line_tells_phrases(make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad) -> None:
    pcm = make("112", voice="man4", harakah_s=0.17).pcm
    phrases: dict[int, list[Phrase]] = {}
    for chunk in (320, 6_400):
        session = Session(passage("112"), vad, prosody=True)
        updates = recite_live(session, engine, pcm, chunk, SwiftPitch())
        phrases[chunk] = [phrase for update in updates for phrase in update.phrases]
        report = session.summary().prosody
        assert report is not None and report.phrases == len(phrases[chunk]) and report.pitch is not None
    assert 3 <= len(phrases[320]) <= 8
    assert all(a.end <= b.start for a, b in pairwise(phrases[320]))
    for a, b in zip(phrases[320], phrases[6_400], strict=True):
        assert (a.start, a.end, a.phones) == (b.start, b.end, b.phones)
    voiced = [phrase.pitch.median_hz for phrase in phrases[320] if phrase.pitch is not None]
    assert len(voiced) == len(phrases[320])


def test_offline_has_pitch_too(make: Callable[..., MadeRecitation], engine: OnnxEngine) -> None:
    """Phones are closed long after their sound."""
    pcm = make("1:1-7", voice="man4", harakah_s=0.17).pcm
    live, offline = (score(engine, pcm, "1:1-7", offline=offline).prosody for offline in (False, True))
    assert live is not None and offline is not None and live.pitch is not None and offline.pitch is not None
    assert offline.pitch.median_hz == pytest.approx(live.pitch.median_hz, rel=0.03)
    assert offline.phones_per_s == pytest.approx(live.phones_per_s, rel=0.05)
