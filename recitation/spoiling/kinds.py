"""What is done to which rule, each kind of slip by the signal processing that makes it and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.made_voice.speech import colour
from recitation.phones import IKHFA, IQLAB, SHORT_VOWELS
from recitation.prosody.formants import vowel_formants
from recitation.prosody.release import LAG_SAMPLES, release_of
from recitation.spoiling.sound import Edit, paused, removed, replaced, retimed, room_of, second_formant_moved
from recitation.spoiling.takes import Take
from recitation.tajweed.lengths import Heard, kind_of
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.verdict import Slip

Random = np.random.Generator

SURE = 0.5
"""Only where the ear finds the phones of a rule and their neighbours this likely does a take say where they lie."""
EDGE_S, EDGE_SHARE = 0.04, 0.2
"""What keeps its speed at either end of a sound that is re-timed: the glide from and to its neighbours."""
HALF = 0.5
STRETCHED = {2: 2.0, 4: 1.5}
"""By which a madd of so many counts is stretched: 2 to 4, 4 to 6."""
FREE_TO = 1.0
"""Counts to which a madd is cut that may last any even number."""
LEAST_FACTOR, MOST_FACTOR = 0.2, 0.7
"""A free madd is cut where that changes it by this much; less is no slip, more leaves nothing to hear."""
NOT_NASAL = ((0, 0), (130, 0), (200, -20), (500, -20), (650, -6), (1000, 0), (8000, 0))
"""Gain, dB by Hz, that takes the murmur of a nasal away: its pole lies about 250 Hz."""
LIGHTER, DARKER = 1.35, 0.72
"""F2 of a light /a/ over that of a heavy one, and back (``recitation.prosody.weight``)."""
F2_OF_A_HZ = (700.0, 2200.0)
"""Outside this another formant was taken for the second, of a vowel between the /a/ of a deep and of a high voice."""
BEFORE_BURST = 80
"""A burst begins up to 5 ms before its level has risen half."""
LONGEST_ENDING = 6400
"""A release before a pause is over within 0.4 s."""
PAUSE_S = 0.6
"""Pause put into or after a word."""
LEAST_N, MOST_N = 480, 2400
"""Length of a clear ن that may stand for a hidden one, samples."""
A_VOWELS = ("َ", "اا")
GHUNNAH_RULES = tuple(
    rule for rule in Rule if rule.startswith(("ikhfa", "iqlab")) or rule in (
        Rule.GHUNNAH, Rule.IDGHAM_GHUNNAH, Rule.IDGHAM_SHAFAWI
    )
)  # fmt: skip
"""Rules with a ghunnah of two counts."""


@dataclass(frozen=True, slots=True)
class Change:
    """A rule broken."""

    edit: Edit
    slip: Slip
    amount: float
    """New length over old for lengths, new F2 over old for weights, seconds for a pause, dB for a band, otherwise 1."""
    first: int
    """First and last phone of the take that sound otherwise."""
    last: int


Kind = Callable[[Take, Found, Random], Change | None]
"""Breaks a rule where it holds; None where this kind of slip does not apply."""


def _span(found: Found) -> tuple[int, int] | None:
    """Where the phones of a rule lie, a vowel with its short part; None when a border is not known."""
    first, last = found.phones[0], found.phones[-1]
    start = last.vowel_start if last.vowel_start is not None else first.start
    return None if start is None or last.end is None else (start, last.end)


def _placed(take: Take, found: Found) -> tuple[int, int]:
    return take.place(found.phones[0]), take.place(found.phones[-1])


def _lasting(take: Take, found: Found, factor: float, slip: Slip) -> Change | None:
    """The sound of a rule to last ``factor`` times as long; its glides keep their speed."""
    span = _span(found)
    if span is None:
        return None
    start, end = span
    edge = round(min(EDGE_S * SAMPLE_HZ, EDGE_SHARE * (end - start)))
    steady = end - start - 2 * edge
    wanted = (end - start) * factor - 2 * edge
    if steady <= 0 or wanted < 480:
        return None
    edit = retimed(take.pcm, start + edge, end - edge, wanted / steady)
    amount = 1 + (len(edit.piece) - (edit.end - edit.start)) / (end - start)
    first, last = _placed(take, found)
    goes_on = found.phones[0].vowel_start not in (None, found.phones[0].start)
    return Change(edit, slip, amount, first - goes_on, last)


def madd_cut(take: Take, found: Found, _random: Random) -> Change | None:
    """Half as long; one that may last any even number, to one count."""
    counts = found.instance.counts
    if found.instance.rule.family is not Family.MADD or counts is None:
        return None
    if counts[0] == counts[1]:
        return _lasting(take, found, HALF, Slip.SHORT)
    span = _span(found)
    if span is None or take.harakah_s is None:
        return None
    factor = FREE_TO * take.harakah_s * SAMPLE_HZ / (span[1] - span[0])
    return _lasting(take, found, factor, Slip.SHORT) if LEAST_FACTOR <= factor <= MOST_FACTOR else None


def madd_stretched(take: Take, found: Found, _random: Random) -> Change | None:
    """Two counts become four, four become six."""
    counts = found.instance.counts
    if found.instance.rule.family is not Family.MADD or counts is None or counts[0] != counts[1]:
        return None
    factor = STRETCHED.get(int(counts[1]))
    return _lasting(take, found, factor, Slip.LONG) if factor else None


def ghunnah_halved(take: Take, found: Found, _random: Random) -> Change | None:
    """A held nasal, ikhfa or iqlab lasts half as long."""
    return _lasting(take, found, HALF, Slip.SHORT) if found.instance.rule in GHUNNAH_RULES else None


def ghunnah_lost(take: Take, found: Found, _random: Random) -> Change | None:
    """The murmur is filtered out: as long as it was, and not through the nose."""
    span = _span(found)
    if span is None or found.instance.rule not in GHUNNAH_RULES:
        return None
    piece = take.pcm[span[0] : span[1]].copy()
    colour(piece, 0, len(piece), NOT_NASAL)
    depth = -min(gain for _, gain in NOT_NASAL)
    return Change(replaced(take.pcm, *span, piece), Slip.MISSING, depth, *_placed(take, found))


def qalqalah_removed(take: Take, found: Found, random: Random) -> Change | None:
    """The closure opens straight into the next letter; before a pause it does not open at all."""
    if found.instance.rule.family is not Family.QALQALAH:
        return None
    letter, echo = found.phones
    onset = None if echo.following is None else echo.end
    about = max(0, letter.phone.start - 4_800)
    following = None if onset is None else onset + LAG_SAMPLES - about
    release = release_of(take.pcm[about : letter.phone.start + SAMPLE_HZ], letter.phone.start - about, following)
    if release is None:
        return None
    burst = about + release.burst - BEFORE_BURST
    first, last = _placed(take, found)
    if onset is None:
        end = min(len(take.pcm), burst + LONGEST_ENDING, _next_sound(take, last))
        edit = replaced(take.pcm, burst, end, room_of(take.pcm, end - burst, random))
    elif onset - burst >= BEFORE_BURST:
        edit = removed(take.pcm, burst, onset)
    else:
        return None
    return Change(edit, Slip.MISSING, 1.0, first, last)


def _next_sound(take: Take, place: int) -> int:
    """Sample before which nothing of the phone after a pause is heard."""
    return take.phones[place + 1].phone.start - 2 * LAG_SAMPLES if place + 1 < len(take.phones) else len(take.pcm)


def said_light(take: Take, found: Found, _random: Random) -> Change | None:
    """The /a/ after a heavy letter with the second formant of a light one."""
    return _weighed(take, found, LIGHTER, Slip.LIGHT) if found.instance.rule is Rule.TAFKHIM else None


def said_heavy(take: Take, found: Found, _random: Random) -> Change | None:
    """The /a/ after a light letter with the second formant of a heavy one."""
    return _weighed(take, found, DARKER, Slip.HEAVY) if found.instance.rule is Rule.TARQIQ else None


def _weighed(take: Take, found: Found, factor: float, slip: Slip) -> Change | None:
    first, letter = _placed(take, found)
    vowel = _vowel_after(take, letter)
    if vowel is None:
        return None
    last, start, end = vowel
    heard = vowel_formants(take.pcm[start:end])
    if heard is None or not F2_OF_A_HZ[0] < heard.hz[1] < F2_OF_A_HZ[1]:
        return None
    return Change(second_formant_moved(take.pcm, start, end, factor), slip, factor, first, last)


def _vowel_after(take: Take, letter: int) -> tuple[int, int, int] | None:
    """The /a/ that follows a letter: its last phone and its span; None for another vowel or an unknown border."""
    last = letter
    while last + 1 < len(take.phones) and take.phones[last + 1].phone.unit in A_VOWELS:
        last += 1
        if take.phones[last].end is not None:
            break
    heard = take.phones[last]
    if last == letter or heard.vowel_start is None or heard.end is None or heard.end - heard.vowel_start < 800:
        return None
    return last, heard.vowel_start, heard.end


def said_clearly(take: Take, found: Found, random: Random) -> Change | None:
    """A hidden ن, or one turned to م, as a clear ن of the same voice from elsewhere in the take."""
    span = _span(found)
    if span is None or len(found.phones) != 1 or found.phones[0].phone.unit not in (IKHFA * 3, IQLAB * 3):
        return None
    donors = [heard for heard in take.phones if heard.phone.unit == "ن" and heard.phone.p >= SURE and _clear(heard)]
    if not donors:
        return None
    donor = donors[int(random.integers(len(donors)))]
    piece = take.pcm[donor.start : donor.end]
    gain = _rms(take.pcm[span[0] : span[1]]) / max(1e-6, _rms(piece))
    edit = replaced(take.pcm, *span, (min(gain, 2.0) * piece).astype(np.float32))
    return Change(edit, Slip.REPLACED, 1.0, *_placed(take, found))


def _clear(heard: Heard) -> bool:
    return heard.start is not None and heard.end is not None and LEAST_N <= heard.end - heard.start <= MOST_N


def _rms(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(pcm))))


KINDS: dict[str, Kind] = {
    "madd cut": madd_cut,
    "madd stretched": madd_stretched,
    "ghunnah halved": ghunnah_halved,
    "ghunnah lost": ghunnah_lost,
    "qalqalah removed": qalqalah_removed,
    "heavy said light": said_light,
    "light said heavy": said_heavy,
    "hidden said clearly": said_clearly,
}
"""Kinds of slips at a place where a rule holds."""


def word_broken(take: Take, place: int, random: Random) -> Change | None:
    """A pause within a word, after its vowel ``take.phones[place]``."""
    goes_on = place + 1 < len(take.phones) and take.phones[place + 1].phone.at == take.phones[place].phone.at
    return _paused(take, place, Slip.BROKEN, random) if goes_on else None


def stopped_as_if_joined(take: Take, place: int, random: Random) -> Change | None:
    """A pause after a word whose short vowel ``take.phones[place]`` a stop would have taken away."""
    last = place + 1 < len(take.phones) and take.phones[place + 1].phone.at != take.phones[place].phone.at
    short = take.phones[place].phone.unit in SHORT_VOWELS
    return _paused(take, place, Slip.REPLACED, random) if last and short else None


def _paused(take: Take, place: int, slip: Slip, random: Random) -> Change | None:
    heard = take.phones[place]
    if kind_of(heard.phone.unit) != "V" or heard.end is None or heard.following is None:
        return None
    room = room_of(take.pcm, round(PAUSE_S * SAMPLE_HZ), random)
    return Change(paused(take.pcm, heard.end, room), slip, PAUSE_S, place, place + 1)


PAUSES: dict[str, Callable[[Take, int, Random], Change | None]] = {
    "word broken": word_broken,
    "stopped as if joined": stopped_as_if_joined,
}
"""Kinds that break the rule of stopping, which holds at every word: after a phone of the take; or None."""


def sure(take: Take, change: Change) -> bool:
    """Whether the ear is sure of the phones changed and of one to either side."""
    return all(heard.phone.p >= SURE for heard in take.phones[max(0, change.first - 1) : change.last + 2])


def neighbours(take: Take, change: Change) -> Iterator[tuple[str, int]]:
    """Word and index of the phones to either side of what is changed."""
    for place in (change.first - 1, change.last + 1):
        if 0 <= place < len(take.phones):
            yield take.phones[place].phone.at, take.phones[place].phone.index
