"""The judge: closed phones in, verdicts on phones and words out.

A phone is judged by its window of the history (``recitation.gop``), favoured by as much as its voice needs
(``recitation.clarity``); a word by its phones, once, when its last phone is closed.  A word recited again can only mend
its verdict.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from recitation.audio import RingBuffer
from recitation.clarity import USUAL, Clarity
from recitation.events import PhoneVerdict, Status, WordReport, WordVerdict
from recitation.gop import View, judge, script_of
from recitation.graph import Graph
from recitation.history import History
from recitation.lexicon import Word
from recitation.phones import CONFUSABLE, INDEX, UNITS
from recitation.retained import LineState
from recitation.tracker import FRAME_SAMPLES, Segment

NEIGHBOUR_FRAMES = 30
"""How far back the window of a judgement reaches into the phone before."""
ALONE_FRAMES = 4
"""How far back it reaches where no phone is joined to it."""
AFTER_FRAMES, AFTER_LAST_FRAMES = 4, 8
"""How far it reaches beyond the phone's end, and where a pause follows."""
CORE_FRAMES = 12
DOUBTFUL = 0.36
"""A phone below this probability makes its word questioned (false-alarm budget, docs/decisions.md)."""
WRONG = 0.02
"""Below this a letter may be called wrong (docs/decisions.md)."""
FAINT = 0.2
"""The ear speaks against a phone below this; where many are so in a typical voice, the ear is what is wrong."""
UNSAID = 0.02
"""Probability given to a phone that the path left out; a sound that was not found is never called wrong."""
DOUBT_MEMORY = 0.04
"""Weight of the newest phone in the running share of doubtful phones: a memory of some 25 phones."""
UNTRUSTED = 0.12
"""With more than this share of doubtful phones the ear does not understand this voice: no word is questioned."""
VOICED_SHARE = 0.2
"""A word with less voice in it than this was not said: noise can look like phones."""
CLEAR = 0.9
"""A word all of whose phones are likelier than this may do without a voice by the network: any sound will do."""
OMITTED_WORDS = 40
"""Words passed over in one go beyond this number were not left out by mistake."""
REMEMBERED_SEGMENTS = 160
SAID_FRAMES = 2.0
"""Voice of this many frames for each phone passed over (40 ms, faster than anybody recites) may have been they."""
GONE_FRAMES = 20
"""From so much audio made up on (400 ms), words passed over may all have been said."""
GAP_FRAMES = 8
"""What begins or ends so near a gap (160 ms) may have been open in it: the ear enters a phone up to a hop late, 80 ms,
and its sound begins before that."""
COLD_FRAMES = 5
"""An ear that has heard nothing yet enters its first phone so much later still (100 ms)."""
REMEMBERED_GAPS = 16
CONCEALED_LIMIT = 0.3
"""A phone with a larger share of concealed audio leaves its word without a verdict."""


def was_concealed(concealed: RingBuffer, start: int, end: int) -> bool:
    """Whether so much of samples ``start`` to ``end`` was made up that nothing can be said of them."""
    return concealed.concealed_fraction(start, max(end, start + 1)) > CONCEALED_LIMIT


def surely_wrong(doubted: Sequence[PhoneVerdict]) -> bool:
    """Whether what a word is doubted for is one letter, and surely one that it is confused with.

    Of several letters, or of one that sounds like none of its kin, the ear may be what is wrong.
    """
    first, *others = doubted
    kin = {UNITS[unit] for unit in CONFUSABLE[INDEX[first.unit]]}
    return not others and first.p < WRONG and first.heard in kin


@dataclass(slots=True)
class _OpenWord:
    """Phones of the word being recited."""

    word: int
    attempt: int
    shift: int
    phones: list[PhoneVerdict] = field(default_factory=list)
    faint: list[bool] = field(default_factory=list)
    """Whether each phone would be doubted in a typical voice."""
    unjudged: bool = False


class Judge:
    """Judges one recitation of the words of a graph."""

    def __init__(self, words: Sequence[Word], graph: Graph, history: History, concealed: RingBuffer) -> None:
        """``history`` and ``concealed`` are the session's: what was heard, and which samples were made up."""
        self.done = False
        """The last word of the passage is over, and nothing was begun again since."""
        self._words, self._graph = words, graph
        self._history, self._concealed = history, concealed
        self._clarity = Clarity()
        self._doubt = 0.0
        self._previous: Segment | None = None
        self._open: _OpenWord | None = None
        self._recent: deque[Segment] = deque(maxlen=REMEMBERED_SEGMENTS)
        self._finished = (-1, 0)
        self._next = 0
        self._passed_over = range(0)
        self._gaps: deque[tuple[int, int]] = deque(maxlen=REMEMBERED_GAPS)
        """Samples in which a word may have been open that nobody heard all of."""
        self._verdicts: dict[int, WordVerdict] = {}
        self._phones: dict[int, tuple[PhoneVerdict, ...]] = {}

    def hear(self, segment: Segment, *, following: bool) -> tuple[PhoneVerdict | None, list[WordVerdict]]:
        """The verdict on the next closed phone, None for one of the preamble, and on words that are over with it.

        Where the place is not sure (``following`` false) the word gets no verdict.
        """
        node = self._graph.nodes[segment.node]
        previous, self._previous = self._previous, segment
        if node.word < 0:
            return None, []
        word = self._open
        if word is None or (word.word, word.attempt) != (node.word, segment.attempt):
            word = self._open = self._begin_word(segment)
        self._recent.append(segment)
        start, end = segment.start * FRAME_SAMPLES, segment.end * FRAME_SAMPLES
        if not following or was_concealed(self._concealed, start, end):
            word.unjudged = True
        p, heard, usual = (UNSAID, "", UNSAID) if segment.skipped else self._pronounced(segment, previous)
        word.faint.append(usual < FAINT)
        self._doubt += DOUBT_MEMORY * (word.faint[-1] - self._doubt)
        verdict = PhoneVerdict(
            self._words[node.word].at, node.index + word.shift, node.phone.script,
            start, end, round(p, 4), heard, node.phone.letters,
        )  # fmt: skip
        word.phones.append(verdict)
        if not self._graph.ends[segment.node] or self._goes_on(segment):
            return verdict, []
        return verdict, self._finish_word(word, segment)

    def gap(self, start: int, end: int) -> None:
        """Nobody knows how much was said in place of samples ``start`` to ``end``, which are silent."""
        near = GAP_FRAMES * FRAME_SAMPLES
        self._gaps.append((start - near, end + near))

    def was_cut(self, start: int, end: int) -> bool:
        """Whether what was said in samples ``start`` to ``end`` may have been open in a gap."""
        return any(start < after and before < end for before, after in self._gaps)

    def index_of(self, node: int) -> int:
        """Index of a node's phone in the form in which its word is recited."""
        place = self._graph.nodes[node]
        shift = self._open.shift if self._open and self._open.word == place.word else max(0, -place.index)
        return place.index + shift

    def report(self) -> tuple[WordReport, ...]:
        """Every word of the passage with its verdict so far."""
        return tuple(self._report(n, word) for n, word in enumerate(self._words))

    @property
    def next_word(self) -> int:
        """Index of the word after the last one with a verdict, at most that of the last word."""
        return min(self._next, len(self._words) - 1)

    def retained(self) -> tuple[tuple[WordVerdict, ...], tuple[PhoneVerdict, ...]]:
        """Verdicts on words, and on the phones of those that were not accepted."""
        verdicts = sorted(self._verdicts.items())
        doubted = [n for n, verdict in verdicts if verdict.status is not Status.ACCEPTED]
        return tuple(verdict for _, verdict in verdicts), tuple(phone for n in doubted for phone in self._phones[n])

    @property
    def voice(self) -> tuple[float, tuple[float, ...]]:
        """What is known of the voice: share of doubtful phones, and log-odds of the last ones."""
        return self._doubt, self._clarity.retained()

    def recall(self, state: LineState) -> None:
        """Go on after verdicts that were given before.  The word that was open then was not heard to its end."""
        self.gap(0, COLD_FRAMES * FRAME_SAMPLES)
        verdicts = {verdict.at: verdict for verdict in state.words}
        phones: dict[str, list[PhoneVerdict]] = {}
        for phone in state.phones:
            phones.setdefault(phone.at, []).append(phone)
        for n, word in enumerate(self._words):
            if word.at in verdicts:
                self._verdicts[n], self._phones[n] = verdicts[word.at], tuple(phones.get(word.at, ()))
        self._next = state.word
        self._doubt = state.doubt
        self._clarity.recall(state.odds)

    def _begin_word(self, segment: Segment) -> _OpenWord:
        """A word is begun; where an attempt begins with it, note the words that were passed over to get there."""
        node = self._graph.nodes[segment.node]
        if self._recent and self._recent[-1].attempt != segment.attempt:
            self._passed_over = self._words_before(segment)
            self.done = False
        return _OpenWord(node.word, segment.attempt, max(0, -node.index))

    def _words_before(self, segment: Segment) -> range:
        """Words between what was recited before a jump and ``segment``, recited after it; none when something was said
        there that may have been they.

        Phones closed on the old path after the jump were mistaken for what is recited now.
        """
        before = next((s for s in reversed(self._recent) if s.start < segment.attempt), None)
        if before is None:
            return range(0)
        nodes = self._graph.nodes
        passed = range(nodes[before.node].word + 1, nodes[segment.node].word)
        missing = sum(len(self._words[n].joined) for n in passed)
        voiced = self._history.within(before.end, segment.end).voiced.sum() + self._unheard(before.end, segment.end)
        return passed if voiced < SAID_FRAMES * missing else range(0)

    def _unheard(self, first: int, last: int) -> float:
        """Frames between two that were made up, in which anything may have been said; without end where so many of
        them follow each other that the connection was gone, for nobody knows how long."""
        if last <= first:
            return 0.0
        frames = (last - first) * self._concealed.concealed_fraction(first * FRAME_SAMPLES, last * FRAME_SAMPLES)
        return math.inf if frames >= GONE_FRAMES else frames

    def _goes_on(self, segment: Segment) -> bool:
        """Whether the next phone is of the same word."""
        nodes = self._graph.nodes
        if segment.following is None or segment.breaks_off:
            return False
        return nodes[segment.following].word == nodes[segment.node].word

    def _pronounced(self, segment: Segment, previous: Segment | None) -> tuple[float, str | None, float]:
        """Probability of the phone, its rival, and the probability in a typical voice, from the window around it."""
        view = self._view(segment, previous)
        if view is None:
            return 1.0, None, 1.0
        allowance = self._clarity.allowance
        result = judge(view, self._graph.nodes[segment.node].phone.unit, allowance)
        usual = self._clarity.note(result.p, allowance)
        return result.p, script_of(result.heard), usual

    def _view(self, segment: Segment, previous: Segment | None) -> View | None:
        """What is judged of a phone; None when its audio is no longer kept."""
        nodes = self._graph.nodes
        joined = previous is not None and previous.following == segment.node and not previous.skipped
        before = previous if joined else None
        reach = before.start if before else segment.start - ALONE_FRAMES
        window = self._history.within(
            max(segment.start - NEIGHBOUR_FRAMES, reach),
            segment.end + (AFTER_LAST_FRAMES if segment.following is None else AFTER_FRAMES),
        )
        if segment.start < window.first or len(window) < 2:
            return None
        core = slice(
            max(0, segment.start - window.first - 1),
            max(1, min(segment.end, segment.start + CORE_FRAMES) - window.first),
        )
        return View(
            window.log_probs,
            None if before is None else nodes[before.node].phone.unit,
            None if segment.following is None else nodes[segment.following].phone.unit,
            core,
        )

    def _finish_word(self, word: _OpenWord, segment: Segment) -> list[WordVerdict]:
        """The verdict on a word that is over, and on words that were left out before it."""
        if self._finished == (word.word, word.attempt):
            return []
        self._finished = (word.word, word.attempt)
        self._next = word.word + 1
        verdict = self._verdict_on(word, segment)
        verdicts = []
        if verdict.status is Status.ACCEPTED:
            verdicts, self._passed_over = self._omitted(verdict.start), range(0)
        if self._takes(word.word, verdict.status):
            self._verdicts[word.word], self._phones[word.word] = verdict, tuple(word.phones)
            verdicts.append(verdict)
        elif word.attempt:
            verdicts.append(WordVerdict(verdict.at, verdict.start, verdict.end, verdict.score, Status.REPEATED))
        if word.word == len(self._words) - 1:
            self.done = True
        return verdicts

    def _verdict_on(self, word: _OpenWord, segment: Segment) -> WordVerdict:
        start, end = word.phones[0].start, segment.end * FRAME_SAMPLES
        chances = np.array([max(v.p, 1e-4) for v in word.phones])
        doubtful = chances < DOUBTFUL
        # What a voice is granted saves its letters from doubt; noise, which is granted most, must not gain by it.
        poor = doubtful | np.array(word.faint)
        status = Status.ACCEPTED
        misheard = poor.sum() * 2 > len(poor) > 1 or (poor.any() and self._doubt > UNTRUSTED)
        if word.unjudged or misheard or self.was_cut(start, end) or not self._was_said(word, segment):
            status = Status.UNCLEAR
        elif doubtful.any():
            status = Status.WRONG if surely_wrong([v for v in word.phones if v.p < DOUBTFUL]) else Status.QUESTIONED
        score = round(float(np.exp(np.log(chances).mean())), 4)
        return WordVerdict(self._words[word.word].at, start, end, score, status)

    def _was_said(self, word: _OpenWord, last: Segment) -> bool:
        """False when a phone of the word has no verdict, or hardly any of it sounds like a voice."""
        places = [verdict.index for verdict in word.phones]
        if places != list(range(places[0], places[0] + len(places))) or places[0] > 1:
            return False
        clear = self._clarity.allowance < USUAL or min(verdict.p for verdict in word.phones) > CLEAR
        window = self._history.within(word.phones[0].start // FRAME_SAMPLES, last.end)
        flags = window.voiced if clear else window.spoken
        return not len(flags) or bool(flags.mean() >= VOICED_SHARE)

    def _takes(self, word: int, status: Status) -> bool:
        """Whether a word's new verdict counts: a later attempt can mend a verdict, never spoil one."""
        before = self._verdicts.get(word)
        if before is None or before.status in (Status.UNCLEAR, Status.OMITTED):
            return True
        if before.status is Status.ACCEPTED or status is Status.UNCLEAR:
            return False
        return before.status is Status.WRONG or status is not Status.WRONG

    def _omitted(self, sample: int) -> list[WordVerdict]:
        """Words passed over and not recited as far as was heard, now that a word after them has been heard well; far
        ones were not meant to be recited."""
        if len(self._passed_over) > OMITTED_WORDS:
            return []
        unclear = {n for n, verdict in self._verdicts.items() if verdict.status is Status.UNCLEAR}
        missing = [n for n in self._passed_over if n in unclear or n not in self._verdicts]
        for n in missing:
            self._verdicts[n] = WordVerdict(self._words[n].at, sample, sample, 0.0, Status.OMITTED)
            self._phones[n] = ()
        return [self._verdicts[n] for n in missing]

    def _report(self, n: int, word: Word) -> WordReport:
        verdict = self._verdicts.get(n)
        if verdict is None:
            passed = any(later > n for later in self._verdicts)
            status = Status.UNCLEAR if passed else Status.NOT_REACHED
            return WordReport(word.at, word.text, None, None, None, status, ())
        return WordReport(
            word.at, word.text, verdict.start, verdict.end, verdict.score, verdict.status, self._phones[n]
        )
