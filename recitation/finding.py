"""A reciter who has not said where: hear until the place is certain, then follow from there.

``Finding`` is driven as a ``recitation.pipeline.Session`` is, and asks questions besides, which take too long to answer
between two hops::

    if finding.question is not None:
        finding.take(finding.question.answer())     # ``answer`` in any thread; see also ``behind``
    for told in finding.news(): ...                 # Candidates while unsure, Found once

While nothing is certain, the sound and the encoder's answers are kept.  When it is, an ordinary session on the rest of
that surah hears all of it from the beginning, so that no word is lost, and goes on with what comes.  A place is never
guessed: a reciter whose words fit several is listened to until they fit one.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.intake import Hops, Intake
from recitation.audio import LevelNormaliser
from recitation.events import Following, Status, Summary, Update, WordReport
from recitation.listening import SPEECH_THRESHOLD, HopVoice, VoiceHops
from recitation.locator import FRAMES_PER_S, RESCORED, Candidate, Locator, ayat_of, beginning, seeks_refuge
from recitation.mushaf import AYAT_PER_SURAH, Reference, parse_reference
from recitation.phones import BLANK
from recitation.pipeline import Session
from recitation.prosody.phrase import Phrase
from recitation.prosody.pitch import Contour, PitchSession
from recitation.retained import LineState
from recitation.session_clock import later
from recitation.tajweed.moshaf import Moshaf

Floats = NDArray[np.float32]

AUTO = "auto"
"""In place of an address: find it."""
SURE = 0.97
"""Probability of an ayah from which on it is followed.  Single ayat of the development voices: 42 of 50 of the reciter
found, all rightly, 2.6 s into the clip (median); 16 of 28 of the learners, all rightly, 3.8 s; 18 of 20 of the phones,
16 rightly, 3.8 s.  Those not found were over before they were certain."""
FIRST_FRAMES, EVERY_FRAMES = 75, 25
"""The first question comes 1.5 s after the first phone, another one each half second."""
LONGEST_FRAMES = 500
"""Recitation that 10 s do not place is taken up again at the longest rest in the last of them."""
REST_FRAMES = (150, 350)
"""How long ago that rest may be."""
KEPT_S = 25.0
"""Seconds of sound kept while nothing is certain; overflow drops the oldest."""
MOST_HOPS_BEHIND = 6
"""Hops that are heard again at once when a place is taken: some 10 ms."""
SHOWN, SHOWN_P = 5, 0.02
"""Candidates told at most, and the least probability of one."""

MakeSession = Callable[[str], Session]
"""A session for an address; called in the thread of ``Question.answer``.  Raises AddressError."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Where the reciter may be, ayat likeliest first; none when nothing fits.  Nothing is certain yet."""

    places: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The place is certain, or chosen: ``verses`` is followed from the beginning of what was heard."""

    verses: str
    at: str
    """The ayah, ``surah:ayah``."""
    p: float
    """1 when it was chosen."""


News = Candidates | Found


@dataclass(frozen=True, slots=True)
class _Sound:
    """Sound as it was pushed, in order."""

    start: int
    """Its first sample, since the beginning."""
    pcm: Floats
    concealed: bool
    gap: bool


class _Kept:
    """The latest sound and the encoder's answers to it, whole hops of both from the same moment on."""

    def __init__(self, hop_samples: int) -> None:
        self.first_hop = 0
        self.hops = 0
        """Answers since the beginning."""
        self.samples = 0
        """Sound since the beginning."""
        self._hop_samples = hop_samples
        self._most = round(KEPT_S * 16_000 / hop_samples)
        self._sounds: deque[_Sound] = deque()
        self._answers: deque[Floats] = deque()

    def push(self, pcm: Floats, concealed: bool, gap: bool) -> None:
        """Add sound."""
        self._sounds.append(_Sound(self.samples, pcm, concealed, gap))
        self.samples += len(pcm)

    def heard(self, log_probs: Floats) -> None:
        """Add the encoder's answer to the next hop."""
        self._answers.append(log_probs)
        self.hops += 1
        if len(self._answers) > self._most:
            self.forget(self.first_hop + 1)

    def forget(self, before_hop: int) -> None:
        """Drop what came before a hop."""
        while self.first_hop < before_hop and self._answers:
            self._answers.popleft()
            self.first_hop += 1
        first = self.first_hop * self._hop_samples
        while self._sounds and self._sounds[0].start + len(self._sounds[0].pcm) <= first:
            self._sounds.popleft()

    def sounds(self, sample: int) -> Iterator[_Sound]:
        """What is kept from a sample on."""
        for sound in list(self._sounds):
            skip = max(0, sample - sound.start)
            if skip < len(sound.pcm):
                yield _Sound(sound.start + skip, sound.pcm[skip:], sound.concealed, sound.gap)

    def answers(self, hop: int) -> list[Floats]:
        """What is kept from a hop on."""
        return list(self._answers)[hop - self.first_hop :]


class _Follower:
    """A session that began with hop ``first_hop`` of a longer recitation, on that one's clock."""

    def __init__(self, session: Session, first_hop: int, hop_samples: int) -> None:
        self.session = session
        self.hops = self.taken = first_hop
        """Hops answered and taken, since the recitation began."""
        self.zero = self.samples = first_hop * hop_samples
        """Its first sample, and the end of what it was pushed."""

    def push(self, pcm: Floats, concealed: bool, gap: bool) -> None:
        """Add sound."""
        self.session.push(pcm, concealed, gap=gap)
        self.samples += len(pcm)

    def take_hop(self) -> Floats:
        """The next hop."""
        self.taken += 1
        return self.session.take_hop()

    def hop_done(self, log_probs: Floats) -> Update:
        """Take the encoder's answer."""
        self.hops += 1
        return later(self.session.hop_done(log_probs), self.zero)

    def hear(self, sounds: Sequence[_Sound], answers: Sequence[Floats]) -> list[Update]:
        """Catch up: sound, and the encoder's answers to it, that come after what was heard so far."""
        for sound in sounds:
            self.push(sound.pcm, sound.concealed, sound.gap)
        updates = []
        for log_probs in answers:
            if self.taken == self.hops:
                self.take_hop()
            updates.append(self.hop_done(log_probs))
        return updates


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a question."""

    places: tuple[Candidate, ...]
    heard_frames: int
    """Frames of recitation that were compared."""
    found: Found | None = None
    follower: _Follower | None = None
    """Has heard what was kept when the question was asked."""
    updates: tuple[Update, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Where is this recited, and what is to be said of it when it is followed there?"""

    locator: Locator
    make_session: MakeSession
    sounds: tuple[_Sound, ...]
    answers: tuple[Floats, ...]
    first_hop: int
    hop_samples: int
    skip_frames: int
    """What is compared begins so many frames after the first hop."""
    chosen: str | None = None
    """The ayah, when the reciter said it."""
    moshaf: Moshaf | None = None
    """The settings of the reading, when some were given."""

    def answer(self) -> Answer:
        """Some 20 ms of one core, and 10 ms for each second heard once the place is certain.  Reads nothing that
        changes, so it may run in another thread."""
        if self.chosen is not None:
            return self._follow(Found(rest_of_surah(self.chosen), self.chosen, 1.0), (), 0)
        part = beginning(np.concatenate(self.answers)[self.skip_frames :], KEPT_S)
        if not len(part) or seeks_refuge(part):
            return Answer((), len(part))
        places = ayat_of(self.locator.locate(part, RESCORED))
        shown = tuple(place for place in places[:SHOWN] if place.p >= SHOWN_P)
        if not places or places[0].p < SURE:
            return Answer(shown, len(part))
        ayah = places[0].at
        return self._follow(Found(rest_of_surah(ayah), ayah, places[0].p), shown, len(part))

    def _follow(self, found: Found, places: tuple[Candidate, ...], frames: int) -> Answer:
        session = self.make_session(found.verses)
        if self.moshaf is not None:
            session.read_by(self.moshaf)
        follower = _Follower(session, self.first_hop, self.hop_samples)
        return Answer(places, frames, found, follower, tuple(follower.hear(self.sounds, self.answers)))


@dataclass(frozen=True, slots=True, eq=False)
class CatchUp:
    """What is said of what was heard while a question was answered?"""

    answered: Answer
    follower: _Follower
    sounds: tuple[_Sound, ...]
    answers: tuple[Floats, ...]

    def answer(self) -> Answer:
        """10 ms of one core for each second; in any thread, once."""
        updates = self.follower.hear(self.sounds, self.answers)
        return replace(self.answered, updates=(*self.answered.updates, *updates))


def rest_of_surah(ayah: str) -> str:
    """The address of an ayah, ``surah:ayah``, and of all that follows in its surah.  Raises AddressError."""
    place = parse_reference(ayah)
    return str(Reference(place.surah, place.first, AYAT_PER_SURAH[place.surah - 1]))


def as_far_as_reached(words: Sequence[WordReport]) -> tuple[WordReport, ...]:
    """Words from the first to the end of the last ayah of which any was reached, at least one ayah: who begins with an
    ayah has not undertaken to recite the rest of its surah."""
    reached = [word.at for word in words if word.status is not Status.NOT_REACHED]
    last = ayah_of(reached[-1] if reached else words[0].at)
    return tuple(words[: max(n for n, word in enumerate(words) if ayah_of(word.at) == last) + 1])


def ayah_of(at: str) -> str:
    """``surah:ayah`` of a word's address."""
    return at.rpartition(":")[0]


class Finding:
    """See the module's docstring."""

    def __init__(self, make_session: MakeSession, locator: Locator, intake: Intake | None = None) -> None:
        """``intake`` is the encoder's, as for a ``Session``."""
        intake = intake or Intake()
        self.verses = AUTO
        """What is followed."""
        self._make_session, self._locator = make_session, locator
        self._hop_samples = intake.samples
        self._listening = _Listening(intake)
        self._kept = _Kept(intake.samples)
        self._follower: _Follower | None = None
        self._frames = 0
        self._origin = 0
        """Frame from which on the place is sought."""
        self._onset: int | None = None
        """The first phone from there on."""
        self._due = 0
        self._sounding = False
        """A phone was heard that no question was about."""
        self._chosen: str | None = None
        self._moshaf: Moshaf | None = None
        self._told: deque[News] = deque()
        self._behind: list[Update] = []
        """What a follower said of what was heard before it was there."""

    def recall(self, state: LineState) -> None:
        """Go on with what another line had found.  Raises AddressError."""
        session = self._make_session(state.verses)
        session.recall(state)
        self._follower, self.verses = _Follower(session, 0, self._hop_samples), state.verses

    def retained(self) -> LineState | None:
        """What another line needs to go on; None while nothing is found."""
        if self._follower is None:
            return None
        state = msgspec.structs.replace(self._follower.session.retained(), verses=self.verses, sought=True)
        return later(state, self._follower.zero)

    def read_by(self, moshaf: Moshaf) -> None:
        """Judge rules by other settings of the reading, what is going to be found too."""
        self._moshaf = moshaf
        if self._follower is not None:
            self._follower.session.read_by(moshaf)

    @property
    def pitch(self) -> PitchSession | None:
        """What ``SwiftPitch.step`` is to hear, once a place is followed."""
        return None if self._follower is None else self._follower.session.pitch

    def hear_pitch(self, contours: Sequence[Contour]) -> None:
        """Take the pitch of what was recited."""
        if self._follower is not None:
            self._follower.session.hear_pitch(contours)

    def phrases_told(self) -> tuple[Phrase, ...]:
        """Phrases that no update has had yet: at the end, those whose pitch was heard after the last one."""
        follower = self._follower
        return () if follower is None else tuple(later(p, follower.zero) for p in follower.session.phrases_told())

    def push(self, pcm: Floats, concealed: bool = False, *, gap: bool = False) -> None:
        """Add audio; ``concealed`` marks sound invented for lost packets, ``gap`` that between two connections."""
        if self._follower is not None:
            self._follower.push(pcm, concealed, gap)
            return
        self._kept.push(pcm, concealed, gap)
        self._listening.push(pcm)

    @property
    def hops_ready(self) -> int:
        """Encoder hops waiting."""
        return self._listening.hops_ready if self._follower is None else self._follower.session.hops_ready

    def take_hop(self) -> Floats:
        """The next hop, float32 of the intake's shape.  Raises IndexError when none is ready."""
        return self._listening.take_hop() if self._follower is None else self._follower.take_hop()

    def voice_ready(self) -> HopVoice:
        """What ``hear_voices`` is to hear of the oldest hop not yet done."""
        return self._listening.voice_ready() if self._follower is None else self._follower.session.voice_ready()

    def hop_done(self, log_probs: Floats) -> Update:
        """Take the encoder's answer to the oldest hop taken, float32[hop_frames / 2, units]."""
        if self._follower is not None:
            return self._with_what_is_behind(self._follower.hop_done(log_probs))
        self._kept.heard(log_probs)
        self._notice(log_probs)
        return self._listening.hop_done(self._kept.hops * self._hop_samples)

    def _notice(self, log_probs: Floats) -> None:
        """Note when there is something new to ask about."""
        phones = np.flatnonzero(log_probs.argmax(axis=1) != BLANK)
        if len(phones):
            self._sounding = True
            if self._onset is None:
                self._onset = self._frames + int(phones[0])
                self._due = self._onset + FIRST_FRAMES
        self._frames += len(log_probs)

    @property
    def question(self) -> Question | None:
        """What is to be answered now; the same place may be asked for again until ``take`` has the answer."""
        if self._follower is not None:
            return None
        if self._chosen is None and not (self._onset is not None and self._sounding and self._frames >= self._due):
            return None
        return self._question()

    @property
    def last_question(self) -> Question | None:
        """What is left to be answered when no more is going to be heard."""
        if self._follower is not None or (self._chosen is None and not (self._onset is not None and self._sounding)):
            return None
        return self._question()

    def _question(self) -> Question:
        kept, frames_per_hop = self._kept, self._hop_samples * FRAMES_PER_S // 16_000
        first = max(kept.first_hop, self._origin // frames_per_hop)
        return Question(
            self._locator, self._make_session, tuple(kept.sounds(first * self._hop_samples)),
            tuple(kept.answers(first)), first, self._hop_samples,
            max(0, self._origin - first * frames_per_hop), self._chosen, self._moshaf,
        )  # fmt: skip

    def choose(self, ayah: str) -> None:
        """The reciter says which ayah it is, the first of what ``ayah`` is the address of; nothing happens when the
        place is found already.  Raises AddressError.
        """
        place = parse_reference(ayah)
        if self._follower is None:
            self._chosen = f"{place.surah}:{place.first}"

    def behind(self, answer: Answer) -> CatchUp | None:
        """What is to be answered before ``answer`` is taken, where so much was heard meanwhile that to hear it again
        takes longer than there is time between two hops."""
        follower, kept = answer.follower, self._kept
        if self._follower is not None or follower is None or follower.hops < kept.first_hop:
            return None
        if kept.hops - follower.hops <= MOST_HOPS_BEHIND:
            return None
        return CatchUp(answer, follower, tuple(kept.sounds(follower.samples)), tuple(kept.answers(follower.hops)))

    def take(self, answer: Answer) -> None:
        """The answer to a question; what came of it is among the ``news``."""
        if self._follower is not None:
            return
        self._sounding = False
        self._due = self._frames + EVERY_FRAMES
        if answer.found is not None and answer.follower is not None:
            if self._chosen in (None, answer.found.at) and answer.follower.hops >= self._kept.first_hop:
                self._switch(answer.found, answer.follower, answer.updates)
            return
        self._told.append(Candidates(answer.places))
        if answer.heard_frames >= LONGEST_FRAMES:
            self._begin_again()

    def _switch(self, found: Found, follower: _Follower, updates: Sequence[Update]) -> None:
        """From now on follow.  A hop that the encoder is at work on is the follower's."""
        kept = self._kept
        self._behind = [*updates, *follower.hear(list(kept.sounds(follower.samples)), kept.answers(follower.hops))]
        while follower.taken < self._listening.taken:
            follower.take_hop()
        self._follower, self.verses = follower, found.verses
        if self._moshaf is not None:
            follower.session.read_by(self._moshaf)
        kept.forget(kept.hops)
        self._told.append(found)

    def _begin_again(self) -> None:
        """What was heard fits nowhere, or in too many places: take it up at the longest rest of the last seconds."""
        oldest, newest = (max(self._frames - ago, 0) for ago in reversed(REST_FRAMES))
        first = self._kept.first_hop
        heard = np.concatenate(self._kept.answers(first))
        before = self._frames - len(heard)
        self._origin = longest_rest(heard, max(oldest, before) - before, newest - before) + before
        self._onset = self._origin
        self._sounding = True
        self._due = self._frames + EVERY_FRAMES

    def news(self) -> list[News]:
        """What there is to tell since the last call, in order."""
        told = list(self._told)
        self._told.clear()
        return told

    def finish(self, engine_step: Callable[[Floats], Floats]) -> Update:
        """The recording is over: place it, if what was heard is enough, and close every phone."""
        while self.hops_ready and self._follower is None:
            self.hop_done(engine_step(self.take_hop()))
        question = self.last_question
        if question is not None:
            self.take(question.answer())
        if self._follower is None:
            return self._listening.update(self._kept.hops * self._hop_samples, speech=False)
        return self._with_what_is_behind(later(self._follower.session.finish(engine_step), self._follower.zero))

    def summary(self) -> Summary:
        """The passage found with its verdicts so far, to the end of the last ayah that was reached; no word while it is
        not found."""
        if self._follower is None:
            return Summary((), self._kept.samples)
        summary = self._follower.session.summary()
        words = as_far_as_reached(summary.words)
        told = later(msgspec.structs.replace(summary, words=words), self._follower.zero)
        return msgspec.structs.replace(told, samples=self._follower.samples)

    def _with_what_is_behind(self, update: Update) -> Update:
        """``update`` with all that was to be said before it."""
        behind, self._behind = self._behind, []
        return together([*behind, update])


class _Listening:
    """Sound into hops and voice, while nothing is followed."""

    def __init__(self, intake: Intake) -> None:
        self.taken = 0
        """Hops."""
        self._level = LevelNormaliser()
        self._hops = Hops(intake)
        self._voices = VoiceHops(intake.samples)

    def push(self, pcm: Floats) -> None:
        """Add sound."""
        levelled = self._level.push(pcm)
        self._voices.push(levelled)
        self._hops.push(levelled)

    @property
    def hops_ready(self) -> int:
        """Hops that are whole."""
        return self._hops.ready

    def take_hop(self) -> Floats:
        """The next one."""
        hop = self._hops.take()
        self.taken += 1
        return hop

    def voice_ready(self) -> HopVoice:
        """What the voice network is to hear of the oldest hop not yet done."""
        return self._voices.voice_ready()

    def hop_done(self, sample: int) -> Update:
        """The oldest hop, which ends with ``sample``, is over."""
        voice, _ = self._voices.take()
        return self.update(sample, speech=max(voice.values) >= SPEECH_THRESHOLD)

    def update(self, sample: int, *, speech: bool) -> Update:
        """What there is to say at ``sample``: nothing is followed."""
        return Update(sample, None, (), (), speech, round(self._level.level_db, 1), Following.WAITING)


def longest_rest(log_probs: Floats, first: int, last: int) -> int:
    """The middle of the longest run without a phone in frames ``first`` to ``last`` of float32[T, units]."""
    blank = log_probs[first:last].argmax(axis=1) == BLANK
    edges = np.flatnonzero(np.diff(np.concatenate([[False], blank, [False]]).astype(np.int8)))
    if not len(edges):
        return first
    begins, ends = edges[::2], edges[1::2]
    longest = int((ends - begins).argmax())
    return first + int(begins[longest] + ends[longest]) // 2


def together(updates: Sequence[Update]) -> Update:
    """One update that says all that several do, in order; where they differ the last one holds."""
    last = updates[-1]
    lists = [name for name in last.__struct_fields__ if isinstance(getattr(last, name), tuple)]
    said = {name: tuple(part for update in updates for part in getattr(update, name)) for name in lists}
    return msgspec.structs.replace(last, **said)
