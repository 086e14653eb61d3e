"""One reciter on one passage: 16 kHz audio in, updates out.

No socket, no event loop, no wall clock.  The encoder is not in here, because it runs once for all sessions:

    session.push(pcm)                       # any chunking
    while session.hops_ready:
        hop = session.take_hop()            # float32[8, 80]
        update = session.hop_done(log_probs)  # what the encoder made of it, float32[4, units]

Voice activity is heard in ``hop_done``; who has many sessions can have it heard for all of them at once before that,
in another thread if need be: ``hear_voices(vad, [session.voice_ready() for session in sessions])``.

``recite`` does the whole loop for a file; it is the same code, so offline and live agree.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from recitation.acoustics.engine import Engine
from recitation.acoustics.intake import Hops, Intake, hear, intake_of
from recitation.audio import LevelNormaliser, RingBuffer
from recitation.clarity import USUAL, Clarity
from recitation.events import Cursor, Following, PhoneVerdict, Status, Summary, Update, WordReport, WordVerdict
from recitation.features import FRAME_SAMPLES as MEL_SAMPLES
from recitation.features import SAMPLE_RATE
from recitation.gop import View, judge, script_of
from recitation.graph import Graph, build_graph
from recitation.lexicon import Word, default_lexicon
from recitation.mushaf import Reference, parse_reference
from recitation.phones import BLANK
from recitation.tracker import FRAME_SAMPLES, LAG_FRAMES, LOST_COST, Segment, Tracker
from recitation.vad import SileroVad, VadSession

Floats = NDArray[np.float32]

SPEECH_THRESHOLD = 0.4
QUIETEST_DB, ABOVE_ROOM_DB = -42.0, 14.0
"""Sound below this level, dBFS after levelling to -23, or not this far above the room, may be a pause."""
ROOM_RISE_DB = 0.06
"""How fast the room's level may rise, dB a frame of 20 ms: 3 dB a second, as in the level normaliser."""
KEPT_FRAMES = 400
"""Log-probabilities kept for judging: 8 s."""
NEIGHBOUR_FRAMES = 30
"""How far back the window of a judgement reaches into the phone before."""
AFTER_FRAMES = 4
DOUBTFUL = 0.2
"""A phone below this probability makes its word questioned (false-alarm budget, docs/decisions.md)."""
UNSAID = 0.02
"""Probability given to a phone that the path left out."""
DOUBT_MEMORY = 0.04
"""Weight of the newest phone in the running share of doubtful phones: a memory of some 25 phones."""
UNTRUSTED = 0.12
"""With more than this share of doubtful phones the ear does not understand this voice: no word is questioned."""
STRANGE, LOST = 0.9, LOST_COST
"""Cost of the passage over free recognition, nats a spoken frame, at which following is unclear or lost."""
VOICED_SHARE = 0.2
"""A word with less voice in it than this was not said: noise can look like phones."""
CLEAR = 0.9
"""A word all of whose phones are likelier than this may do without a voice by the network: any sound will do."""
OMITTED_WORDS = 40
"""Words passed over in one go beyond this number were not left out by mistake."""
REMEMBERED_SEGMENTS = 160
SAID_FRAMES = 2.0
"""Voice of this many frames for each phone passed over (40 ms, faster than anybody recites) may have been they."""
CONCEALED_LIMIT = 0.3
"""A word with a larger share of concealed audio gets no verdict."""


@dataclass(frozen=True)
class Passage:
    """What is to be recited."""

    reference: Reference
    words: tuple[Word, ...]

    @cached_property
    def graph(self) -> Graph:
        """The passage's CTC graph."""
        return build_graph(default_lexicon(), self.words)


@cached(LRUCache(maxsize=64), info=True)
def passage(reference: str) -> Passage:
    """A passage by address, kept for the next session.  Raises AddressError."""
    place = parse_reference(reference)
    return Passage(place, default_lexicon().words(place))


@dataclass(slots=True)
class _OpenWord:
    """Phones of the word being recited."""

    word: int
    attempt: int
    shift: int
    phones: list[PhoneVerdict]
    faint: list[bool]
    """Whether each phone would be doubted in a typical voice."""
    unjudged: bool = False


@dataclass(slots=True, eq=False)
class HopVoice:
    """A hop's windows in the voice network, and what it said of each."""

    session: VadSession
    ends: list[int]
    """Sample at which the window before the first ended, then each window heard."""
    values: list[float]
    """Probability of speech in each of them."""


def hear_voices(vad: SileroVad, voices: Sequence[HopVoice]) -> None:
    """Run the voice network on every whole window of hops of different sessions, the first of each together, then the
    second.  Touches nothing of a session that ``push`` touches, so sessions may be pushed to meanwhile."""
    while ready := [voice for voice in voices if voice.session.ready]:
        vad.step([voice.session for voice in ready])
        for voice in ready:
            voice.ends.append(voice.session.position)
            voice.values.append(voice.session.probability)


class Session:
    """See the module's docstring."""

    def __init__(
        self,
        passage: Passage,
        vad: SileroVad,
        lag_frames: int = LAG_FRAMES,
        intake: Intake | None = None,
        *,
        straight: bool = False,
    ) -> None:
        """``intake`` is the encoder's (``intake_of(engine)``); that of the bundled one is 80 ms of log-mels.

        ``straight`` is for a recitation known to go through the passage without a repeat or an omission.
        """
        self.passage = passage
        self.level = LevelNormaliser()
        self.ring = RingBuffer(5.0)
        self.state = Following.WAITING
        self.samples = 0
        """16 kHz samples pushed."""
        self._vad, self._voice = vad, VadSession()
        self._hop_voice: HopVoice | None = None
        self._hop_audio = np.zeros(0, np.float32)
        self._room_db = QUIETEST_DB
        self._hops = Hops(intake or Intake())
        self._levelled = np.zeros(0, np.float32)
        self._tracker = Tracker(passage.graph, lag_frames, straight=straight)
        self._log_probs: deque[Floats] = deque(maxlen=KEPT_FRAMES + lag_frames)
        self._voiced: deque[bool] = deque(maxlen=KEPT_FRAMES + lag_frames)
        self._spoken: deque[bool] = deque(maxlen=KEPT_FRAMES + lag_frames)
        """Voice by the network alone: noise that is new to the room sounds, but is no voice."""
        self._heard_frames = 0
        self._previous: Segment | None = None
        self._open: _OpenWord | None = None
        self._recent: deque[Segment] = deque(maxlen=REMEMBERED_SEGMENTS)
        self._finished = (-1, 0)
        self._passed_over = range(0)
        self._clarity = Clarity()
        self._doubt = 0.0
        self._verdicts: dict[int, WordVerdict] = {}
        self._phones: dict[int, tuple[PhoneVerdict, ...]] = {}
        self._concealed = RingBuffer(0.1)

    def push(self, pcm: Floats, concealed: bool = False) -> None:
        """Add audio; ``concealed`` marks sound invented for lost packets, which is never judged."""
        self.samples += len(pcm)
        self._concealed.append(pcm, concealed)
        self._take_in(self.level.push(pcm))

    def _take_in(self, levelled: Floats) -> None:
        if not len(levelled):
            return
        self.ring.append(levelled)
        self._levelled = np.concatenate([self._levelled, levelled])
        self._hops.push(levelled)

    @property
    def hops_ready(self) -> int:
        """Encoder hops waiting."""
        return self._hops.ready

    def take_hop(self) -> Floats:
        """The next hop, float32 of the intake's shape.  Raises IndexError when none is ready."""
        return self._hops.take()

    def hop_done(self, log_probs: Floats) -> Update:
        """Take the encoder's answer to the oldest hop taken, float32[hop_frames / 2, units]."""
        segments = self._follow(log_probs)
        return self._update(segments, self._voiced[-1])

    def _follow(self, log_probs: Floats) -> list[Segment]:
        """Keep what the oldest hop sounds like and let the tracker hear it; the phones it closes."""
        speech = self._speech_of(len(log_probs))
        self._log_probs.extend(log_probs)
        self._voiced.extend(speech.tolist())
        self._heard_frames += len(log_probs)
        return self._tracker.push(log_probs, speech)

    def voice_ready(self) -> HopVoice:
        """What ``hear_voices`` is to hear of the oldest hop not yet done; the same one until ``hop_done``.

        Raises IndexError when the audio of no such hop is there.
        """
        if self._hop_voice is None:
            size = self._hops.intake.samples
            if len(self._levelled) < size:
                raise IndexError("no hop waits for its voice to be heard")
            audio, self._levelled = self._levelled[:size], self._levelled[size:]
            self._hop_audio = audio
            self._hop_voice = HopVoice(self._voice, [self._voice.position], [self._voice.probability])
            self._voice.push(audio)
        return self._hop_voice

    def _speech_of(self, frames: int) -> NDArray[np.bool_]:
        """Voice flags of the next hop, ``frames`` frames of 20 ms."""
        voice = self.voice_ready()
        hear_voices(self._vad, [voice])
        self._hop_voice = None
        first = self._heard_frames * FRAME_SAMPLES
        middles = first + FRAME_SAMPLES * (np.arange(frames) + 0.5)
        window = np.minimum(np.searchsorted(voice.ends, middles), len(voice.values) - 1)
        voiced: NDArray[np.bool_] = np.asarray(voice.values)[window] >= SPEECH_THRESHOLD
        self._spoken.extend(voiced.tolist())
        return voiced | self._sounding(frames)

    def _sounding(self, frames: int) -> NDArray[np.bool_]:
        """Frames well above the room: a held nasal is no voice to the network, but it is no pause either."""
        blocks = self._hop_audio.reshape(frames, -1)
        levels = 10 * np.log10(np.square(blocks).mean(axis=1) + 1e-10)
        sounding = np.zeros(frames, np.bool_)
        for n, level in enumerate(levels.tolist()):
            self._room_db = min(level, self._room_db + ROOM_RISE_DB)
            sounding[n] = level > max(self._room_db + ABOVE_ROOM_DB, QUIETEST_DB)
        return sounding

    def _update(self, segments: list[Segment], speech: bool) -> Update:
        phones: list[PhoneVerdict] = []
        words: list[WordVerdict] = []
        self._settle()
        for segment in segments:
            phone, finished = self._judge(segment)
            phones += [phone] if phone else []
            words += finished
        return Update(
            sample=self._heard_frames * FRAME_SAMPLES,
            cursor=self._cursor(),
            phones=tuple(phones),
            words=tuple(words),
            speech=speech,
            level_db=round(self.level.level_db, 1),
            state=self.state,
        )

    def _settle(self) -> None:
        """Say how well the passage explains what is heard."""
        strangeness = self._tracker.strangeness
        if self.state is Following.DONE:
            return
        if self._tracker.cursor is None:
            self.state = Following.WAITING
        elif strangeness > LOST or (self.state is Following.LOST and strangeness > STRANGE):
            self.state = Following.LOST
        elif strangeness > STRANGE:
            self.state = Following.UNCLEAR
        else:
            self.state = Following.FOLLOWING

    def _cursor(self) -> Cursor | None:
        node = self._tracker.cursor
        if node is None or self.state is Following.LOST:
            return None
        place = self.passage.graph.nodes[node]
        if place.word < 0:
            return None
        shift = self._open.shift if self._open and self._open.word == place.word else max(0, -place.index)
        at = self.passage.words[place.word].at
        return Cursor(at, place.index + shift, self._tracker.cursor_frame * FRAME_SAMPLES)

    def _judge(self, segment: Segment) -> tuple[PhoneVerdict | None, list[WordVerdict]]:
        graph = self.passage.graph
        node = graph.nodes[segment.node]
        previous, self._previous = self._previous, segment
        if node.word < 0:
            return None, []
        if self._open is None or (self._open.word, self._open.attempt) != (node.word, segment.attempt):
            self._open = self._begin_word(segment)
        word = self._open
        self._recent.append(segment)
        start, end = segment.start * FRAME_SAMPLES, segment.end * FRAME_SAMPLES
        if self.state in (Following.LOST, Following.UNCLEAR) or self._was_concealed(start, end):
            word.unjudged = True
        p, heard, usual = (UNSAID, "", UNSAID) if segment.skipped else self._pronounced(segment, previous)
        word.faint.append(usual < DOUBTFUL)
        self._doubt += DOUBT_MEMORY * (word.faint[-1] - self._doubt)
        verdict = PhoneVerdict(
            self.passage.words[node.word].at, node.index + word.shift, node.phone.script,
            start, end, round(p, 4), heard, node.phone.letters,
        )  # fmt: skip
        word.phones.append(verdict)
        if not graph.ends[segment.node] or self._goes_on(segment):
            return verdict, []
        return verdict, self._finish_word(word, segment)

    def _begin_word(self, segment: Segment) -> _OpenWord:
        """A word is begun; where an attempt begins with it, note the words that were passed over to get there."""
        node = self.passage.graph.nodes[segment.node]
        if self._recent and self._recent[-1].attempt != segment.attempt:
            self._passed_over = self._words_before(segment)
            if self.state is Following.DONE:
                self.state = Following.FOLLOWING
        return _OpenWord(node.word, segment.attempt, max(0, -node.index), [], [])

    def _words_before(self, segment: Segment) -> range:
        """Words between what was recited before a jump and ``segment``, recited after it; none when something was said
        there that may have been they.

        Phones closed on the old path after the jump were mistaken for what is recited now.
        """
        before = next((s for s in reversed(self._recent) if s.start < segment.attempt), None)
        if before is None:
            return range(0)
        nodes, words = self.passage.graph.nodes, self.passage.words
        passed = range(nodes[before.node].word + 1, nodes[segment.node].word)
        missing = sum(len(words[n].joined) for n in passed)
        oldest = self._heard_frames - len(self._voiced)
        voiced = sum(self._voiced[n - oldest] for n in range(max(oldest, before.end), segment.end))
        return passed if voiced < SAID_FRAMES * missing else range(0)

    def _goes_on(self, segment: Segment) -> bool:
        """Whether the next phone is of the same word."""
        nodes = self.passage.graph.nodes
        if segment.following is None or segment.breaks_off:
            return False
        return nodes[segment.following].word == nodes[segment.node].word

    def _was_concealed(self, start: int, end: int) -> bool:
        return self._concealed.concealed_fraction(start, max(end, start + 1)) > CONCEALED_LIMIT

    def _pronounced(self, segment: Segment, previous: Segment | None) -> tuple[float, str | None, float]:
        """Probability of the phone, its rival, and the probability in a typical voice, from the window around it."""
        view = self._view(segment, previous)
        if view is None:
            return 1.0, None, 1.0
        allowance = self._clarity.allowance
        result = judge(view, self.passage.graph.nodes[segment.node].phone.unit, allowance)
        usual = self._clarity.note(result.p, allowance)
        return result.p, script_of(result.heard), usual

    def _view(self, segment: Segment, previous: Segment | None) -> View | None:
        """What is judged of a phone; None when its audio is no longer kept."""
        graph = self.passage.graph
        oldest = self._heard_frames - len(self._log_probs)
        joined = previous is not None and previous.following == segment.node and not previous.skipped
        first = max(
            oldest, segment.start - NEIGHBOUR_FRAMES, previous.start if joined and previous else segment.start - 4
        )
        last = min(self._heard_frames, segment.end + (AFTER_FRAMES if segment.following is not None else 8))
        if segment.start < oldest or last - first < 2:
            return None
        window = np.stack([self._log_probs[n] for n in range(first - oldest, last - oldest)])
        before = graph.nodes[previous.node].phone.unit if joined and previous else None
        after = graph.nodes[segment.following].phone.unit if segment.following is not None else None
        core = slice(max(0, segment.start - first - 1), max(1, min(segment.end, segment.start + 12) - first))
        return View(window, before, after, core)

    def _finish_word(self, word: _OpenWord, segment: Segment) -> list[WordVerdict]:
        """The verdict on a word that is over, and on words that were left out before it."""
        if self._finished == (word.word, word.attempt):
            return []
        self._finished = (word.word, word.attempt)
        verdict = self._verdict_on(word, segment)
        verdicts = []
        if verdict.status is Status.ACCEPTED:
            verdicts, self._passed_over = self._omitted(verdict.start), range(0)
        if self._takes(word.word, verdict.status):
            self._verdicts[word.word], self._phones[word.word] = verdict, tuple(word.phones)
            verdicts.append(verdict)
        elif word.attempt:
            verdicts.append(WordVerdict(verdict.at, verdict.start, verdict.end, verdict.score, Status.REPEATED))
        if word.word == len(self.passage.words) - 1:
            self.state = Following.DONE
        return verdicts

    def _verdict_on(self, word: _OpenWord, segment: Segment) -> WordVerdict:
        start, end = word.phones[0].start, segment.end * FRAME_SAMPLES
        chances = np.array([max(v.p, 1e-4) for v in word.phones])
        doubtful = chances < DOUBTFUL
        # What a voice is granted saves its letters from doubt; noise, which is granted most, must not gain by it.
        poor = doubtful | np.array(word.faint)
        status = Status.ACCEPTED
        misheard = poor.sum() * 2 > len(poor) > 1 or (poor.any() and self._doubt > UNTRUSTED)
        if word.unjudged or misheard or not self._was_said(word, segment):
            status = Status.UNCLEAR
        elif doubtful.any():
            status = Status.QUESTIONED
        score = round(float(np.exp(np.log(chances).mean())), 4)
        return WordVerdict(self.passage.words[word.word].at, start, end, score, status)

    def _takes(self, word: int, status: Status) -> bool:
        """Whether a word's new verdict counts: a later attempt can mend a verdict, never spoil one."""
        before = self._verdicts.get(word)
        if before is None or before.status in (Status.UNCLEAR, Status.OMITTED):
            return True
        return before.status is not Status.ACCEPTED and status is not Status.UNCLEAR

    def _omitted(self, sample: int) -> list[WordVerdict]:
        """Words passed over and not recited as far as was heard, now that a word after them has been heard well; far
        ones were not meant to be recited."""
        if len(self._passed_over) > OMITTED_WORDS:
            return []
        unclear = {n for n, verdict in self._verdicts.items() if verdict.status is Status.UNCLEAR}
        missing = [n for n in self._passed_over if n in unclear or n not in self._verdicts]
        for n in missing:
            self._verdicts[n] = WordVerdict(self.passage.words[n].at, sample, sample, 0.0, Status.OMITTED)
            self._phones[n] = ()
        return [self._verdicts[n] for n in missing]

    def finish(self, engine_step: Callable[[Floats], Floats]) -> Update:
        """The recording is over: hear the last incomplete hop and close every phone.

        ``engine_step`` runs the encoder on one hop, as `HopStep` does.
        """
        self._take_in(self.level.flush())
        intake = self._hops.intake
        missing = -(len(self._levelled)) % intake.samples + intake.ahead * MEL_SAMPLES
        self._take_in(np.zeros(missing, np.float32))
        segments: list[Segment] = []
        while self.hops_ready:
            segments += self._follow(engine_step(self.take_hop()))
        return self._update(segments + self._tracker.finish(), False)

    def _was_said(self, word: _OpenWord, last: Segment) -> bool:
        """False when a phone of the word has no verdict, or hardly any of it sounds like a voice."""
        places = [verdict.index for verdict in word.phones]
        if places != list(range(places[0], places[0] + len(places))) or places[0] > 1:
            return False
        oldest = self._heard_frames - len(self._spoken)
        first = word.phones[0].start // FRAME_SAMPLES
        clear = self._clarity.allowance < USUAL or min(verdict.p for verdict in word.phones) > CLEAR
        heard = self._voiced if clear else self._spoken
        flags = [heard[n - oldest] for n in range(max(first, oldest), last.end)]
        return not flags or sum(flags) >= VOICED_SHARE * len(flags)

    def summary(self) -> Summary:
        """Every word of the passage with its verdict so far."""
        return Summary(tuple(self._report(n, word) for n, word in enumerate(self.passage.words)), self.samples)

    def _report(self, n: int, word: Word) -> WordReport:
        verdict = self._verdicts.get(n)
        if verdict is None:
            passed = any(later > n for later in self._verdicts)
            status = Status.UNCLEAR if passed else Status.NOT_REACHED
            return WordReport(word.at, word.text, None, None, None, status, ())
        return WordReport(
            word.at, word.text, verdict.start, verdict.end, verdict.score, verdict.status, self._phones[n]
        )


class HopStep:
    """The encoder for one session alone: keeps its state between hops."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._state = engine.initial_state(1)

    def __call__(self, hop: Floats) -> Floats:
        """float32[hop_frames, 80] -> float32[hop_frames / 2, units]."""
        log_probs, self._state = self._engine.step(hop[None], self._state)
        first: Floats = log_probs[0]
        return first


def recite(session: Session, engine: Engine, pcm: Floats, chunk: int = SAMPLE_RATE // 50) -> Iterator[Update]:
    """Run a whole recording through a session in chunks of ``chunk`` samples, as it would arrive live."""
    step = HopStep(engine)
    for begin in range(0, len(pcm), chunk):
        session.push(pcm[begin : begin + chunk])
        while session.hops_ready:
            yield session.hop_done(step(session.take_hop()))
    yield session.finish(step)


def align_offline(engine: Engine, pcm: Floats, passage: Passage) -> list[tuple[str, int, int, int]]:
    """Phones of the passage located with the whole recording at hand: (at, index, start, end) in samples.

    The same tracker with a lag as long as the recording, so that every decision sees all of it; the passage has to be
    recited straight through.
    """
    session = Session(passage, SileroVad(), len(pcm) // FRAME_SAMPLES + 2, intake_of(engine), straight=True)
    phones = [verdict for update in recite(session, engine, pcm, SAMPLE_RATE) for verdict in update.phones]
    return [(v.at, v.index, v.start, v.end) for v in phones]


def recognise(engine: Engine, pcm: Floats) -> list[tuple[int, int, int, float]]:
    """Free recognition: (unit, start, end, p) with samples, by best path.

    A unit lasts until the next one or until four frames after its last own frame, whichever is earlier.
    """
    levelled = LevelNormaliser()
    audio = np.concatenate([levelled.push(pcm), levelled.flush()])
    log_probs = hear(engine, audio)
    if not len(log_probs):
        return []
    best = log_probs.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    runs = [(int(best[s]), int(s), int(e)) for s, e in zip(starts, [*starts[1:], len(best)], strict=True)]
    units = [run for run in runs if run[0] != BLANK]
    found = []
    for n, (unit, start, end) in enumerate(units):
        following = units[n + 1][1] if n + 1 < len(units) else end + 4
        p = float(np.exp(log_probs[start:end, unit].max()))
        found.append((unit, start * FRAME_SAMPLES, min(following, end + 4) * FRAME_SAMPLES, p))
    return found
