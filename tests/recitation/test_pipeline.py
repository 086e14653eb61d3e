"""The line from audio to verdicts: made and real recitation light up in order, and nothing else does."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.acoustics.batching import Batcher
from recitation.acoustics.engine import LOOKAHEADS_MS, OnnxEngine, run_through
from recitation.audio import LevelNormaliser, Pcm, stream_audio
from recitation.events import Following, PhoneVerdict, Status, Summary, Update, WordVerdict
from recitation.features import features_of
from recitation.gop import View, judge
from recitation.made_voice import MadeRecitation
from recitation.mushaf import AddressError
from recitation.phones import CONFUSABLE, INDEX, UNITS
from recitation.pipeline import HopStep, Session, align_offline, passage, recite, recognise
from recitation.tracker import FRAME_SAMPLES
from recitation.vad import SileroVad

HOP_SAMPLES = 1280


@dataclass(frozen=True)
class Recited:
    """Everything that came out of one recitation."""

    updates: list[Update]
    summary: Summary

    @property
    def phones(self) -> list[PhoneVerdict]:
        return [verdict for update in self.updates for verdict in update.phones]

    @property
    def words(self) -> list[WordVerdict]:
        return [verdict for update in self.updates for verdict in update.words]

    @property
    def states(self) -> set[Following]:
        return {update.state for update in self.updates}

    def count(self, status: Status) -> int:
        return self.summary.count(status)


@pytest.fixture(scope="module")
def listen(engine: OnnxEngine, vad: SileroVad) -> Callable[..., Recited]:
    """``listen(pcm, "1:1-7", chunk=320, concealed=(start, end))``."""

    def run(pcm: Pcm, verses: str, chunk: int = 320, concealed: tuple[int, int] = (0, 0)) -> Recited:
        session, step, updates = Session(passage(verses), vad), HopStep(engine), []
        for begin in range(0, len(pcm), chunk):
            session.push(pcm[begin : begin + chunk], concealed[0] <= begin < concealed[1])
            while session.hops_ready:
                updates.append(session.hop_done(step(session.take_hop())))
        updates.append(session.finish(step))
        return Recited(updates, session.summary())

    return run


@pytest.fixture(scope="module")
def heard(listen: Callable[..., Recited], fatihah: MadeRecitation) -> Recited:
    """The line on 1:1-7 by a made voice."""
    return listen(fatihah.pcm, "1:1-7")


@pytest.fixture(scope="module")
def ikhlas(make: Callable[..., MadeRecitation]) -> MadeRecitation:
    return make("112")


@pytest.fixture(scope="module")
def real_clips(recordings: Path) -> list[tuple[str, Pcm]]:
    """Four ayat by a reciter nothing was trained on."""
    lines = (recordings / "index.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["voice"] == "alafasy"][:4]
    needed = max(row["start"] + row["samples"] for row in rows) + 1600
    parts: list[Pcm] = []
    for part in stream_audio(recordings / rows[0]["file"]):
        parts.append(part)
        if sum(map(len, parts)) >= needed:
            break
    pcm = np.concatenate(parts)
    return [
        (f"{row['surah']}:{row['ayah']}", pcm[max(0, row["start"] - 800) : row["start"] + row["samples"] + 800])
        for row in rows
    ]


def order(verses: str) -> dict[str, int]:
    """Place of each word in the passage."""
    return {word.at: n for n, word in enumerate(passage(verses).words)}


def assert_orderly(recited: Recited, verses: str, samples: int) -> None:
    """Words come once and in order; phones come once, in order, inside their words."""
    places = order(verses)
    words = [places[word.at] for word in recited.words]
    assert words == sorted(set(words))
    phones = [(places[phone.at], phone.index) for phone in recited.phones]
    assert len(phones) == len(set(phones))
    assert [word for word, _ in phones] == sorted(word for word, _ in phones)
    assert_sound(recited, verses, samples)


def assert_sound(recited: Recited, verses: str, samples: int) -> None:
    """All lies within the audio, nothing accepted is taken back, and the summary says what the updates said."""
    end = samples + HOP_SAMPLES
    for verdict in (*recited.words, *recited.phones):
        assert 0 <= verdict.start <= verdict.end <= end
    places = order(verses)
    for phone in recited.phones:
        text = passage(verses).words[places[phone.at]].text
        assert phone.unit in UNITS
        assert 0 <= phone.p <= 1
        assert 0 <= phone.letters[0] <= phone.letters[1] < len(text)
    said: dict[str, WordVerdict] = {}
    for word in recited.words:
        before = said.get(word.at)
        if word.status is Status.REPEATED:
            assert before is not None
            continue
        assert before is None or before.status is not Status.ACCEPTED
        said[word.at] = word
    for report in recited.summary.words:
        if report.start is not None:
            verdict = said[report.at]
            assert (report.start, report.end, report.status) == (verdict.start, verdict.end, verdict.status)
        else:
            assert report.at not in said


def test_words_light_up_in_order(heard: Recited, fatihah: MadeRecitation) -> None:
    assert_orderly(heard, "1:1-7", len(fatihah.pcm))


def test_most_words_are_confirmed(heard: Recited) -> None:
    assert len(heard.words) >= 0.7 * 29
    assert heard.count(Status.ACCEPTED) >= 0.15 * 29
    assert heard.count(Status.NOT_REACHED) <= 3
    assert sum(word.status in (Status.ACCEPTED, Status.QUESTIONED) for word in heard.words) >= 0.5 * 29


def test_words_are_found_where_they_were_said(heard: Recited, fatihah: MadeRecitation) -> None:
    starts: dict[str, int] = {}
    for phone in fatihah.phones:
        starts.setdefault(phone.at, phone.start)
    misses = np.array([abs(word.start - starts[word.at]) / 16_000 for word in heard.words])
    assert np.median(misses) < 0.15
    assert (misses < 0.5).mean() > 0.8


def test_the_cursor_goes_with_the_recitation(heard: Recited, fatihah: MadeRecitation) -> None:
    places = order("1:1-7")
    ends = {at: max(p.end for p in fatihah.phones if p.at == at) for at in places}
    cursors = [(update.sample, update.cursor) for update in heard.updates if update.cursor is not None]
    assert len(cursors) > 0.7 * len(heard.updates)
    off = []
    for sample, cursor in cursors:
        assert cursor.sample <= sample
        now = next((n for n, at in enumerate(places) if ends[at] >= sample), 28)
        off.append(abs(places[cursor.at] - now))
    assert np.mean(np.array(off) <= 1) > 0.8


def test_updates_tell_the_time_and_the_voice(heard: Recited, fatihah: MadeRecitation) -> None:
    samples = [update.sample for update in heard.updates]
    assert samples[:-1] == [HOP_SAMPLES * (n + 1) for n in range(len(samples) - 1)]
    assert 0 <= samples[-1] - len(fatihah.pcm) < 2 * HOP_SAMPLES
    speech = np.mean([update.speech for update in heard.updates])
    assert 0.5 < speech < 1.0


def test_verdicts_come_soon_after_the_sound(heard: Recited) -> None:
    """Confirmed 160 ms after the next phone, or 260 ms after the voice stops, and a hop."""
    late = [update.sample - phone.end for update in heard.updates[:-1] for phone in update.phones]
    assert np.median(late) < 0.35 * 16_000


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60))
@settings(max_examples=4, deadline=None)
def test_any_chunking_gives_the_same_verdicts(
    engine: OnnxEngine, vad: SileroVad, ikhlas: MadeRecitation, sizes: list[int]
) -> None:
    pcm = ikhlas.pcm[:80_000]

    def run(pieces: Sequence[Pcm]) -> tuple[list[object], list[float]]:
        session, step, updates = Session(passage("112"), vad), HopStep(engine), []
        for piece in pieces:
            session.push(piece)
            while session.hops_ready:
                updates.append(session.hop_done(step(session.take_hop())))
        updates.append(session.finish(step))
        phones = [p for u in updates for p in u.phones]
        places: list[object] = [(p.at, p.index, p.unit, p.start, p.end) for p in phones]
        places += [(w.at, w.start, w.end, w.status) for u in updates for w in u.words]
        places += [(u.sample, u.speech, u.state) for u in updates]
        return places, [p.p for p in phones]

    whole = run([pcm[n : n + 320] for n in range(0, len(pcm), 320)])
    cut = run(np.split(pcm, np.minimum(np.cumsum(sizes), len(pcm))))
    assert cut[0] == whole[0]
    np.testing.assert_allclose(cut[1], whole[1], atol=1e-3)


def test_streaming_agrees_with_the_whole_recording_at_hand(
    engine: OnnxEngine, heard: Recited, fatihah: MadeRecitation
) -> None:
    offline: dict[str, tuple[int, int]] = {}
    for at, _, start, end in align_offline(engine, fatihah.pcm, passage("1:1-7")):
        offline[at] = (offline[at][0] if at in offline else start, end)
    both = [word for word in heard.words if word.at in offline]
    assert len(both) >= 0.7 * 29
    near = [max(abs(word.start - offline[word.at][0]), abs(word.end - offline[word.at][1])) for word in both]
    assert np.mean(np.array(near) <= 0.15 * 16_000) > 0.6
    starts = [abs(word.start - offline[word.at][0]) for word in both]
    assert np.mean(np.array(starts) <= 0.15 * 16_000) > 0.8


def test_a_pause_belongs_to_no_word(engine: OnnxEngine, fatihah: MadeRecitation) -> None:
    """The voice is back before the next phone is heard: the pause must still be found with everything at hand."""
    ends = {phone.at: phone.end for phone in fatihah.phones}
    found = {at: end for at, _, _, end in align_offline(engine, fatihah.pcm, passage("1:1-7"))}
    late = [(found[at] - end) / 16_000 for at, end in ends.items() if at in found]
    assert len(late) >= 25
    assert np.percentile(late, 95) < 0.3


def test_sessions_in_one_batch_hear_what_they_hear_alone(
    engine: OnnxEngine, vad: SileroVad, ikhlas: MadeRecitation, fatihah: MadeRecitation, heard: Recited
) -> None:
    """Two reciters of different ages share the encoder, as they do live."""
    batcher = Batcher(engine, 2)
    sessions = {batcher.join(): Session(passage("1:1-7"), vad), batcher.join(): Session(passage("112"), vad)}
    first, second = sessions
    words: list[WordVerdict] = []
    for hop in range(150):
        start = hop * HOP_SAMPLES
        sessions[first].push(fatihah.pcm[start : start + HOP_SAMPLES])
        if hop >= 30:
            sessions[second].push(ikhlas.pcm[start - 30 * HOP_SAMPLES : start - 29 * HOP_SAMPLES])
        while ready := [(slot, s.take_hop()) for slot, s in sessions.items() if s.hops_ready]:
            for (slot, _), log_probs in zip(ready, batcher.step(ready), strict=True):
                update = sessions[slot].hop_done(log_probs)
                if slot == first:
                    words += update.words
    assert words
    alone = [word for update in heard.updates if update.sample <= 149 * HOP_SAMPLES for word in update.words]
    assert [(w.at, w.start, w.end) for w in words][: len(alone)] == [(w.at, w.start, w.end) for w in alone]


SOUNDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "silence": lambda random: np.zeros(96_000),
    "a quiet room": lambda random: 1e-4 * random.standard_normal(96_000),
    "a hum": lambda random: 0.1 * np.sin(2 * np.pi * 50 * np.arange(96_000) / 16_000),
    "a fan": lambda random: 0.01 * random.standard_normal(96_000),
    "clicks": lambda random: (random.random(96_000) > 0.9999).astype(float),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("verses", ["1:1-7", "112"])
def test_no_word_is_accepted_where_nobody_speaks(listen: Callable[..., Recited], name: str, verses: str) -> None:
    pcm = SOUNDS[name](np.random.default_rng(0)).astype(np.float32)
    recited = listen(pcm, verses)
    assert recited.count(Status.ACCEPTED) == 0
    assert not recited.words
    assert all(word.status is Status.NOT_REACHED for word in recited.summary.words)


@pytest.mark.parametrize("verses", ["1:1-7", "112"])
def test_no_word_is_accepted_in_white_noise(listen: Callable[..., Recited], verses: str) -> None:
    for seed in range(4):
        noise = 0.1 * np.random.default_rng(seed).standard_normal(64_000)
        assert listen(noise.astype(np.float32), verses).count(Status.ACCEPTED) == 0


def test_silence_is_not_speech(listen: Callable[..., Recited]) -> None:
    recited = listen(np.zeros(48_000, np.float32), "1:1-7")
    assert not any(update.speech for update in recited.updates)
    assert not any(update.cursor for update in recited.updates)
    assert recited.states == {Following.WAITING}
    assert Following.DONE not in recited.states


def test_music_is_orderly_and_hardly_accepted(listen: Callable[..., Recited], chords: Pcm) -> None:
    recited = listen(chords, "1:1-7")
    assert_sound(recited, "1:1-7", len(chords))
    assert recited.count(Status.ACCEPTED) == 0


def telephone(pcm: Pcm) -> Pcm:
    """300 to 3,400 Hz, sampled at 8 kHz on the way."""
    spectrum = np.fft.rfft(pcm)
    hertz = np.fft.rfftfreq(len(pcm), 1 / 16_000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return np.fft.irfft(spectrum, len(pcm)).astype(np.float32)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda pcm: np.clip(30 * pcm, -1, 1),
        telephone,
        lambda pcm: 0.03 * pcm,
        lambda pcm: pcm + np.random.default_rng(0).normal(0, 0.01, len(pcm)).astype(np.float32),
    ],
    ids=["clipped", "telephone", "very quiet", "noisy"],
)
def test_poor_sound_is_followed_in_order(
    listen: Callable[..., Recited], ikhlas: MadeRecitation, spoil: Callable[[Pcm], Pcm]
) -> None:
    pcm = spoil(ikhlas.pcm)
    recited = listen(pcm, "112")
    assert_orderly(recited, "112", len(pcm))
    assert len(recited.words) >= 8


def test_another_surah_is_not_accepted_wholesale(listen: Callable[..., Recited], fatihah: MadeRecitation) -> None:
    for verses in ("112", "2:1-5"):
        recited = listen(fatihah.pcm, verses)
        assert_sound(recited, verses, len(fatihah.pcm))
        assert recited.count(Status.ACCEPTED) <= 0.25 * 29
        assert {Following.UNCLEAR, Following.LOST} & recited.states


@pytest.fixture(scope="module")
def gone_back(make: Callable[..., MadeRecitation]) -> MadeRecitation:
    """1:1-7; after 1:5:2 a pause, and on from three words before."""
    return make("1:1-7", errors=("back:1:5:2=3",))


def test_going_back_is_followed_and_spoils_nothing(listen: Callable[..., Recited], gone_back: MadeRecitation) -> None:
    recited = listen(gone_back.pcm, "1:1-7")
    assert_sound(recited, "1:1-7", len(gone_back.pcm))
    back = gone_back.errors[0]
    again = {word.at for word in recited.words if word.start > back.start - 8_000} & set(back.spoken.split())
    assert len(again) >= 2
    cursors = {
        update.cursor.at for update in recited.updates if update.cursor and 0 < update.sample - back.end < 16_000
    }
    assert cursors & {*back.spoken.split(), "1:5:3", "1:5:4"}
    assert recited.count(Status.OMITTED) == 0
    assert Following.DONE in recited.states


def test_words_left_out_are_omitted_and_mended_when_said(
    listen: Callable[..., Recited], fatihah: MadeRecitation
) -> None:
    first, after, following = (min(p.start for p in fatihah.phones if p.at == at) for at in ("1:3:1", "1:5:1", "1:6:1"))
    left_out = np.concatenate([fatihah.pcm[:first], fatihah.pcm[after:]])
    recited = listen(left_out, "1:1-7")
    assert_sound(recited, "1:1-7", len(left_out))
    gone = {word.at for word in recited.words if word.status is Status.OMITTED}
    assert gone
    assert {at.rpartition(":")[0] for at in gone} <= {"1:3", "1:4"}
    mending = np.concatenate([fatihah.pcm[:first], fatihah.pcm[after:following], fatihah.pcm[first:]])
    mended = listen(mending, "1:1-7")
    assert_sound(mended, "1:1-7", len(mending))
    assert mended.count(Status.OMITTED) < len(gone)


def test_concealed_audio_gives_no_verdict(listen: Callable[..., Recited], ikhlas: MadeRecitation) -> None:
    recited = listen(ikhlas.pcm, "112", concealed=(0, len(ikhlas.pcm)))
    assert recited.words
    assert {word.status for word in recited.words} == {Status.UNCLEAR}


def test_a_concealed_stretch_spares_the_words_around(listen: Callable[..., Recited], ikhlas: MadeRecitation) -> None:
    plain = listen(ikhlas.pcm, "112")
    word = next(w for w in plain.words[3:] if w.status is not Status.UNCLEAR)
    recited = listen(ikhlas.pcm, "112", concealed=(word.start, word.end))
    after = {w.at: w for w in recited.words}
    assert after[word.at].status is Status.UNCLEAR
    apart = [w for w in plain.words if w.end < word.start - 8_000 or w.start > word.end + 8_000]
    assert apart
    assert all(after[w.at].status is w.status for w in apart)


def test_a_recitation_that_breaks_off_leaves_the_rest_unreached(
    listen: Callable[..., Recited], fatihah: MadeRecitation
) -> None:
    cut = next(phone.start for phone in fatihah.phones if phone.at == "1:4:1")
    recited = listen(fatihah.pcm[:cut], "1:1-7")
    assert_orderly(recited, "1:1-7", cut)
    tail = recited.summary.words[order("1:1-7")["1:5:1"] :]
    assert {word.status for word in tail} == {Status.NOT_REACHED}
    assert Following.DONE not in recited.states


@pytest.mark.parametrize("samples", [0, 1, 159, 1279, 1281])
def test_next_to_nothing_is_no_recitation(listen: Callable[..., Recited], samples: int) -> None:
    recited = listen(np.zeros(samples, np.float32), "112")
    assert recited.summary.samples == samples
    assert not recited.words


@pytest.mark.parametrize("verses", ["", "1:9", "115", "2:255:51", "x"])
def test_a_bad_passage_is_refused(verses: str) -> None:
    with pytest.raises(AddressError):
        passage(verses)


def test_a_hop_is_taken_only_when_it_is_there(vad: SileroVad) -> None:
    session = Session(passage("112"), vad)
    assert session.hops_ready == 0
    with pytest.raises(IndexError):
        session.take_hop()
    session.push(np.zeros(2 * HOP_SAMPLES, np.float32))
    assert session.hops_ready == 2
    assert session.take_hop().shape == (8, 80)
    assert session.hops_ready == 1


def test_real_recitation_is_accepted(listen: Callable[..., Recited], real_clips: list[tuple[str, Pcm]]) -> None:
    words = accepted = 0
    for verses, pcm in real_clips:
        recited = listen(pcm, verses)
        assert_orderly(recited, verses, len(pcm))
        words += len(recited.summary.words)
        accepted += recited.count(Status.ACCEPTED)
    assert accepted >= 0.6 * words


def test_real_recitation_of_another_text_is_not(
    listen: Callable[..., Recited], real_clips: list[tuple[str, Pcm]]
) -> None:
    for (verses, pcm), other in zip(real_clips, ("1:1-7", "112", "2:255", "93"), strict=True):
        recited = listen(pcm, other)
        assert_sound(recited, other, len(pcm))
        assert recited.count(Status.ACCEPTED) <= 0.34 * len(passage(verses).words)


def swaps_lost(engine: OnnxEngine, pcm: Pcm, phones: Sequence[PhoneVerdict]) -> Counter[bool]:
    """For each phone whether the judge, over the model's own window, likes it better than its nearest rival."""
    normaliser = LevelNormaliser()
    log_probs = run_through(engine, features_of(np.concatenate([normaliser.push(pcm), normaliser.flush()])))
    wins: Counter[bool] = Counter()
    for before, phone, after in zip(phones, phones[1:], phones[2:], strict=False):
        unit = INDEX[phone.unit]
        first, last = before.start // FRAME_SAMPLES, after.start // FRAME_SAMPLES + 4
        if not CONFUSABLE[unit] or not before.start <= phone.start < after.start or last - first < 4:
            continue
        window = log_probs[first:last]
        start = phone.start // FRAME_SAMPLES - first
        core = slice(start, max(start + 1, phone.end // FRAME_SAMPLES - first))
        neighbours = INDEX[before.unit], INDEX[after.unit]
        view = View(window, *neighbours, core)
        right, swapped = judge(view, unit), judge(view, CONFUSABLE[unit][0])
        wins[right.p > swapped.p] += 1
    return wins


def test_made_letters_beat_those_they_are_confused_with(
    engine: OnnxEngine, heard: Recited, fatihah: MadeRecitation
) -> None:
    wins = swaps_lost(engine, fatihah.pcm, heard.phones)
    assert wins.total() > 60
    assert wins[True] > 0.6 * wins.total()


def test_real_letters_beat_those_they_are_confused_with(
    engine: OnnxEngine, listen: Callable[..., Recited], real_clips: list[tuple[str, Pcm]]
) -> None:
    wins: Counter[bool] = Counter()
    for verses, pcm in real_clips:
        wins += swaps_lost(engine, pcm, listen(pcm, verses).phones)
    assert wins.total() > 60
    assert wins[True] > 0.75 * wins.total()


@pytest.mark.parametrize("lookahead_ms", LOOKAHEADS_MS)
def test_free_recognition_is_in_order(engine: OnnxEngine, ikhlas: MadeRecitation, lookahead_ms: int) -> None:
    found = recognise(OnnxEngine(engine.path, lookahead_ms), ikhlas.pcm)
    assert len(found) > 30
    starts = [start for _, start, _, _ in found]
    assert starts == sorted(set(starts))
    for (unit, start, end, p), (_, following, _, _) in zip(found, [*found[1:], (0, 10**9, 0, 0.0)], strict=True):
        assert 0 < unit < len(UNITS)
        assert start < end <= following
        assert 0 < p <= 1
    assert found[-1][2] <= len(ikhlas.pcm) + 5 * FRAME_SAMPLES


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_nothing_is_recognised_in_nothing(engine: OnnxEngine, samples: int) -> None:
    assert recognise(engine, np.zeros(samples, np.float32)) == []


def test_recite_is_the_session_loop(engine: OnnxEngine, vad: SileroVad, ikhlas: MadeRecitation) -> None:
    session = Session(passage("112"), vad)
    updates = list(recite(session, engine, ikhlas.pcm[:40_000]))
    assert len(updates) == 40_000 // HOP_SAMPLES + 1
    assert session.samples == 40_000
