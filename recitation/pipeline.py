"""One reciter on one passage: 16 kHz audio in, updates out.

No socket, no event loop, no wall clock.  The encoder is not in here, because it runs once for all sessions:

    session.push(pcm)                       # any chunking
    while session.hops_ready:
        hop = session.take_hop()            # float32[8, 80]
        update = session.hop_done(log_probs)  # what the encoder made of it, float32[4, units]

Voice activity is heard in ``hop_done``; who has many sessions can have it heard for all of them at once before that,
in another thread if need be: ``hear_voices(vad, [session.voice_ready() for session in sessions])``, of
``recitation.listening``.

``recite`` does the whole loop for a file; it is the same code, so offline and live agree.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from recitation.acoustics.engine import Engine
from recitation.acoustics.intake import Hops, Intake, hear, intake_of
from recitation.audio import LevelNormaliser, RingBuffer
from recitation.evaluate import emissions
from recitation.events import Cursor, Following, HarakahReport, PhoneVerdict, Summary, Update, WordVerdict
from recitation.features import FRAME_SAMPLES as MEL_SAMPLES
from recitation.features import SAMPLE_RATE
from recitation.graph import Graph, build_graph
from recitation.history import History
from recitation.judge import Judge, was_concealed
from recitation.lexicon import Word, default_lexicon
from recitation.listening import HopVoice, Listener
from recitation.mushaf import Reference, parse_reference
from recitation.phones import MADD_VOWELS, SHORT_VOWELS
from recitation.phonotactics import decode
from recitation.prosody.phrase import Phrase
from recitation.prosody.pitch import Contour, PitchSession, SwiftPitch, hear_pitches
from recitation.prosody.session import Prosody
from recitation.retained import LineState
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.session import Tajweed
from recitation.tajweed.verdict import RuleVerdict
from recitation.tracker import FRAME_SAMPLES, LAG_FRAMES, LOST_COST, Segment, Tracker
from recitation.vad import SileroVad

Floats = NDArray[np.float32]

KEPT_FRAMES = 400
"""Frames heard that are kept for judging: 8 s."""
AFTER_FRAMES = 4
"""A phone recognised lasts so long beyond the frames that emit it."""
KEPT_SOUND_S = 5.0
"""Seconds of sound kept, beside those that the tracker lags behind."""
STRANGE, LOST = 0.9, LOST_COST
"""Cost of the passage over free recognition, nats a spoken frame, at which following is unclear or lost."""


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
        moshaf: Moshaf | None = None,
        prosody: bool = False,
    ) -> None:
        """``intake`` is the encoder's (``intake_of(engine)``); that of the bundled one is 80 ms of log-mels.

        ``straight`` is for a recitation known to go through the passage without a repeat or an omission; ``moshaf``
        are the settings of the reading by which the rules of tajweed are judged, None to leave them alone; with
        ``prosody`` phrases are told, once their ``pitch`` is heard.
        """
        self.passage = passage
        self.level = LevelNormaliser()
        self.ring = RingBuffer(KEPT_SOUND_S + lag_frames * FRAME_SAMPLES / SAMPLE_RATE)
        self.history = History(KEPT_FRAMES + lag_frames)
        """What the encoder and the voice detector made of the last seconds."""
        self.state = Following.WAITING
        self.samples = 0
        """16 kHz samples pushed."""
        self._hops = Hops(intake or Intake())
        self._listener = Listener(vad, self._hops.intake.samples)
        self._tracker = Tracker(passage.graph, lag_frames, straight=straight)
        self._concealed = RingBuffer(0.1)
        self._judge = Judge(passage.words, passage.graph, self.history, self._concealed)
        self._prosody = Prosody(lag_frames * FRAME_SAMPLES / SAMPLE_RATE) if prosody else None
        self._phrases: list[Phrase] = []
        self._tajweed = None if moshaf is None else Tajweed(passage.words, moshaf, self._sound)

    def read_by(self, moshaf: Moshaf) -> None:
        """Judge rules by other settings of the reading, from the next word on."""
        if self._tajweed is not None:
            self._tajweed.read_by(moshaf)

    @property
    def pitch(self) -> PitchSession | None:
        """What ``SwiftPitch.step`` is to hear, and ``hear_pitch`` to be given; None without prosody."""
        return None if self._prosody is None else self._prosody.pitch

    def hear_pitch(self, contours: Sequence[Contour]) -> None:
        """Take the pitch of what was recited; the next update has the phrases that are complete with it."""
        if self._prosody is not None:
            self._phrases += self._prosody.hear(contours)

    def push(self, pcm: Floats, concealed: bool = False, *, gap: bool = False) -> None:
        """Add audio; ``concealed`` marks sound invented for lost packets, which is never judged.  With ``gap`` it
        stands where the connection was gone, for nobody knows how much: a word that was open then is not judged."""
        if gap:
            self._judge.gap(self.samples, self.samples + len(pcm))
        self.samples += len(pcm)
        self._concealed.append(pcm, concealed)
        self._take_in(self.level.push(pcm))

    def _take_in(self, levelled: Floats) -> None:
        if not len(levelled):
            return
        self.ring.append(levelled)
        if self._prosody is not None:
            self._prosody.push(levelled)
        self._listener.hops.push(levelled)
        self._hops.push(levelled)

    @property
    def hops_ready(self) -> int:
        """Encoder hops waiting."""
        return self._hops.ready

    def take_hop(self) -> Floats:
        """The next hop, float32 of the intake's shape.  Raises IndexError when none is ready."""
        return self._hops.take()

    def voice_ready(self) -> HopVoice:
        """What ``hear_voices`` is to hear of the oldest hop not yet done; the same one until ``hop_done``.

        Raises IndexError when the audio of no such hop is there.
        """
        return self._listener.hops.voice_ready()

    def hop_done(self, log_probs: Floats) -> Update:
        """Take the encoder's answer to the oldest hop taken, float32[hop_frames / 2, units]."""
        voiced, segments = self._follow(log_probs)
        return self._update(segments, voiced)

    def finish(self, engine_step: Callable[[Floats], Floats]) -> Update:
        """The recording is over: hear the last incomplete hop and close every phone.

        ``engine_step`` runs the encoder on one hop, as `HopStep` does.
        """
        self._take_in(self.level.flush())
        self._take_in(np.zeros(self._listener.hops.missing + self._hops.intake.ahead * MEL_SAMPLES, np.float32))
        segments: list[Segment] = []
        while self.hops_ready:
            segments += self._follow(engine_step(self.take_hop()))[1]
        update = self._update(segments + self._tracker.finish(), False)
        if self._prosody is not None:
            self._prosody.finish()
        return update

    def retained(self) -> LineState:
        """What another line needs to go on with this recitation."""
        words, phones = self._judge.retained()
        doubt, odds = self._judge.voice
        tajweed = self._tajweed
        return LineState(
            str(self.passage.reference), False, self._judge.next_word, self.samples, words, phones,
            () if tajweed is None else tajweed.report(), doubt, odds,
            None if tajweed is None else tajweed.tempo.retained(),
            None if self._prosody is None else self._prosody.retained(),
        )  # fmt: skip

    def recall(self, state: LineState) -> None:
        """Go on with what another line left, times by the clock of this one.  Call it before there is any audio."""
        self._judge.recall(state)
        self._tracker.begin_near(state.word)
        if self._tajweed is not None:
            self._tajweed.recall(state.rules, state.tempo)
        if self._prosody is not None and state.prosody is not None:
            self._prosody.recall(state.prosody)

    def summary(self) -> Summary:
        """Every word of the passage with its verdict so far."""
        rules = () if self._tajweed is None else self._tajweed.report()
        prosody = None if self._prosody is None else self._prosody.report()
        return Summary(self._judge.report(), self.samples, rules, self._tempo(), prosody)

    def _tempo(self) -> HarakahReport | None:
        tempo = None if self._tajweed is None else self._tajweed.tempo
        if tempo is None or not tempo.known:
            return None
        return HarakahReport(tempo.harakah_s, tempo.harakah_s * tempo.uncertainty)

    def _sound(self, start: int, end: int) -> Floats:
        """Levelled samples ``start`` to ``end`` as far as hops were heard, silence where there are none.

        What was pushed beyond the newest hop is left out, so that verdicts do not depend on how sound arrives.
        """
        first, last = max(start, self.ring.start), min(end, self.history.end * FRAME_SAMPLES, self.ring.end)
        sound = np.zeros(end - start, np.float32)
        if first < last:
            sound[first - start : last - start] = self.ring.read(first, last)
        return sound

    def _follow(self, log_probs: Floats) -> tuple[bool, list[Segment]]:
        """Keep what the oldest hop sounds like and let the tracker hear it: whether it ends in voice, and the phones it
        closes."""
        voiced, spoken = self._listener.take(len(log_probs))
        self.history.append(log_probs, voiced, spoken)
        return bool(voiced[-1]), self._tracker.push(log_probs, voiced)

    def _update(self, segments: list[Segment], speech: bool) -> Update:
        phones: list[PhoneVerdict] = []
        words: list[WordVerdict] = []
        rules: list[RuleVerdict] = []
        self._settle()
        if self._prosody is not None:
            self._prosody.rest(self.history.end * FRAME_SAMPLES)
        for segment in segments:
            following = self.state not in (Following.LOST, Following.UNCLEAR)
            phone, finished = self._judge.hear(segment, following=following)
            phones += [phone] if phone else []
            words += finished
            if phone and self._tajweed:
                rules += self._rules(self._tajweed, phone, segment, following)
            if phone and self._prosody and not segment.skipped:
                expected = self.passage.graph.nodes[segment.node].phone
                vowel = expected.script[0] in SHORT_VOWELS + MADD_VOWELS
                self._prosody.phone(phone.start, phone.end, expected.count if vowel else None)
            if self._judge.done:
                self.state = Following.DONE
            elif self.state is Following.DONE:
                self.state = Following.FOLLOWING
        return Update(
            sample=self.history.end * FRAME_SAMPLES,
            cursor=self._cursor(),
            phones=tuple(phones),
            words=tuple(words),
            speech=speech,
            level_db=round(self.level.level_db, 1),
            state=self.state,
            rules=tuple(rules),
            harakah_s=self._tajweed.tempo.harakah_s if self._tajweed and self._tajweed.tempo.known else None,
            phrases=self.phrases_told(),
        )

    def phrases_told(self) -> tuple[Phrase, ...]:
        """Phrases that no update has had yet: at the end, those whose pitch was heard after the last one."""
        told, self._phrases = tuple(self._phrases), []
        return told

    def _rules(self, tajweed: Tajweed, phone: PhoneVerdict, segment: Segment, following: bool) -> list[RuleVerdict]:
        graph = self.passage.graph
        stops = segment.breaks_off or (segment.rests and graph.ends[segment.node])
        unit = None if stops or segment.following is None else graph.nodes[segment.following].phone.script
        made_up = was_concealed(self._concealed, phone.start, phone.end) or self._judge.was_cut(phone.start, phone.end)
        sure = following and not segment.skipped and not made_up
        return tajweed.hear(phone, unit, sure=sure)

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
        at = self.passage.words[place.word].at
        return Cursor(at, self._judge.index_of(node), self._tracker.cursor_frame * FRAME_SAMPLES)


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


def recite(
    session: Session,
    engine: Engine,
    pcm: Floats,
    chunk: int = SAMPLE_RATE // 50,
    pitch: SwiftPitch | None = None,
) -> Iterator[Update]:
    """Run a whole recording through a session in chunks of ``chunk`` samples, as it would arrive live.

    ``pitch`` is for sessions with prosody.
    """
    step = HopStep(engine)
    for begin in range(0, len(pcm), chunk):
        session.push(pcm[begin : begin + chunk])
        while session.hops_ready:
            yield session.hop_done(step(session.take_hop()))
        if pitch is not None:
            hear_pitches(pitch, [session])
    last = session.finish(step)
    if pitch is not None:
        hear_pitches(pitch, [session])
    yield msgspec.structs.replace(last, phrases=last.phrases + session.phrases_told())


def align_offline(engine: Engine, pcm: Floats, passage: Passage) -> list[tuple[str, int, int, int]]:
    """Phones of the passage located with the whole recording at hand: (at, index, start, end) in samples.

    The same tracker with a lag as long as the recording, so that every decision sees all of it; the passage has to be
    recited straight through.
    """
    session = Session(passage, SileroVad(), len(pcm) // FRAME_SAMPLES + 2, intake_of(engine), straight=True)
    phones = [verdict for update in recite(session, engine, pcm, SAMPLE_RATE) for verdict in update.phones]
    return [(v.at, v.index, v.start, v.end) for v in phones]


def recognise(engine: Engine, pcm: Floats, *, by_ear: bool = False) -> list[tuple[int, int, int, float]]:
    """Free recognition: (unit, start, end, p) with samples, by the ear and by which phones can follow which
    (``recitation.phonotactics``), or ``by_ear`` alone.

    A unit lasts until the next one or until four frames after its last own frame, whichever is earlier.
    """
    levelled = LevelNormaliser()
    audio = np.concatenate([levelled.push(pcm), levelled.flush()])
    log_probs = hear(engine, audio)
    if not len(log_probs):
        return []
    units, starts = emissions(log_probs) if by_ear else decode(log_probs)
    found = []
    for unit, start, following in zip(units, starts, [*starts, len(log_probs) + AFTER_FRAMES][1:], strict=True):
        own = np.flatnonzero(log_probs[start:following].argmax(axis=1) == unit)
        last = start + 1 + (int(own[-1]) if len(own) else 0)
        p = float(np.exp(log_probs[start:last, unit].max()))
        found.append((unit, start * FRAME_SAMPLES, min(following, last + AFTER_FRAMES) * FRAME_SAMPLES, p))
    return found
