"""How each unit of the inventory is spoken: its espeak-ng phonemes, its colour and its length.

The phonemes are those of espeak-ng's ``ar`` voice.  Three of its emphatics are the plain letters under another name
(dH is d, Z is D) or has a silence before it (``s[``), so the emphatics are coloured here: energy moves below 1.2 kHz
and leaves the region of the second formant, as pharyngealisation does, and the vowel after is the voice's dark one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.made_voice.espeak import Utterance, espeak
from recitation.made_voice.psola import Segment
from recitation.made_voice.voices import MadeVoice
from recitation.phones import (
    IKHFA,
    IMALA,
    IQLAB,
    QALQALAH,
    TASHEEL,
    UNITS,
    is_held,
    is_madd,
    is_vowel,
    letter_of,
)

HEAVY_LETTERS = "خصضطظغق"
"""Letters of isti'la, heavy everywhere."""
VOICELESS = "ءتثحخسشصطفقكه"
STOPS = "ءتطقك"
"""Stops whose closure espeak-ng leaves silent and counts with the phoneme before."""

PHONEMES: dict[str, str] = {
    "ء": "?", "ب": "b", "ت": "t", "ث": "T", "ج": "dZ", "ح": "H", "خ": "X", "د": "d", "ذ": "D", "ر": "R", "ز": "z",
    "س": "s", "ش": "S", "ص": "s", "ض": "dH", "ط": "t[", "ظ": "Z", "ع": "A", "غ": "Q", "ف": "f", "ق": "q", "ك": "k",
    "ل": "l", "م": "m", "ن": "n", "ه": "h", "و": "w", "ي": "j", "َ": "a", "ُ": "u", "ِ": "i", "ا": "a", "ۥ": "u",
    "ۦ": "i", "ـ": "e", QALQALAH: "@-", IKHFA: "N", IQLAB: "m", TASHEEL: "@", IMALA: "e",
}  # fmt: skip
"""Mnemonic of the ``ar`` voice for the bare letter of every unit; length is made afterwards."""
DARK = {"a": "a.", "u": "u.", "i": "i."}

_HEAVY_CURVE = (
    (0, 0),
    (300, 0),
    (600, 5),
    (1100, 6),
    (1600, -8),
    (2600, -10),
    (3600, -4),
    (5000, -8),
    (8000, -16),
)
_NASAL_CURVE = ((0, 4), (350, 4), (700, -8), (1100, -8), (1800, 0), (8000, -4))
COLOURS: dict[str, tuple[tuple[float, float], ...]] = {
    **dict.fromkeys("ضطظ", _HEAVY_CURVE),
    # The noise of a heavy sibilant lies lower than that of its light brother.
    "ص": ((0, 6), (1200, 10), (2500, 10), (3500, 6), (5000, -2), (8000, -12)),
    "غ": ((0, -3), (400, -3), (800, 8), (1500, 8), (2500, 0), (5000, -6), (8000, -10)),
    **dict.fromkeys(("ووو", "ييي"), _NASAL_CURVE),
    IQLAB: ((0, 2), (300, 2), (600, -2), (1000, -10), (2500, -12), (8000, -14)),
    TASHEEL: ((0, -9), (500, -9), (900, -2), (1800, -12), (8000, -16)),
}
"""Gain in dB by frequency in Hz, by unit or else by letter, where the phoneme must be made different."""

_FAINT = ((0, -10), (8000, -10))

HARAKAH_S = 0.15
"""Tempo at which the lengths below hold; consonants follow the tempo with its square root."""
_SECONDS = {
    **dict.fromkeys("بتدطضقك", 0.085), **dict.fromkeys("ثحخذزسشصظغفه", 0.1), **dict.fromkeys("مننلوي", 0.075),
    "ر": 0.065, "ع": 0.085, "ء": 0.06, "ج": 0.095, QALQALAH: 0.05, TASHEEL: 0.07,
}  # fmt: skip
GEMINATE = 2.0
GHUNNAH_COUNTS = 2.0
OPENING_COUNTS = 0.4
"""Harakat of a short vowel that a madd completes.  The script writes both (``َاا``); the madd unit has its count of
harakat to itself, and this little more keeps the whole vowel of a natural madd at 2.4 short ones, as in speech."""
_SHORT_OF = {"ا": "َ", "ۥ": "ُ", "ۦ": "ِ", "ـ": IMALA}
_RELEASE = {"ت": 800, "ط": 640, "ك": 880, "ق": 960, "ء": 440, "ب": 480, "د": 480, "ض": 480, "ج": 800}
"""Source samples at the end of a stop, its burst, that keep their speed: only the closure is held."""
_EVEN = "منلوي" + IKHFA + IQLAB
_EDGE = {"vowel": 480, "other": 200}
_HAMZA_ONSET = 200
"""Samples of the vowel's glottal onset that belong to the hamza before it."""
_LATEST_ONSET = 1120
"""Source samples after a stop's burst among which the voice of the next phone begins."""
_CHUNK, _CONTEXT = 36, 2
"""Units of one call of espeak-ng, and units spoken on either side only for coarticulation."""


@dataclass(slots=True)
class Sound:
    """One unit to be spoken."""

    unit: int
    index: int
    """Place of the canonical phone in its word's form."""
    counts: float
    """Length in harakat where the tempo decides it; 0 where the consonant does."""
    heavy: bool
    """Pronounced with tafkheem."""

    @property
    def letter(self) -> str:
        """The unit's bare letter."""
        return letter_of(self.unit)


def counts_of(unit: int, count: int) -> float:
    """Harakat of a unit whose canonical length is ``count``, 0 for a consonant that takes its own time."""
    if is_madd(unit):
        return float(count)
    if is_vowel(unit):
        return 1.0
    if is_held(unit):
        return GHUNNAH_COUNTS
    # Madd leen: the plain glide with the length of a madd (see recitation.phones).
    return float(count) if letter_of(unit) in "وي" and count >= 3 else 0.0


def seconds_of(sound: Sound, harakah_s: float, *, opens_madd: bool, first: bool, final: bool) -> float:
    """Length of a sound at a tempo; the last consonant before a pause is held a little.

    The first, when it is a stop, has hardly a closure: what is silent before its burst is no part of it.
    """
    if is_vowel(sound.unit):
        return harakah_s * (OPENING_COUNTS if opens_madd else sound.counts)
    own = _SECONDS.get(sound.letter, 0.075) * math.sqrt(harakah_s / HARAKAH_S)
    if len(UNITS[sound.unit]) == 2:
        own *= GEMINATE
    return max(sound.counts * harakah_s, own * (1.25 if final else 0.6 if first and sound.letter in STOPS else 1.0))


def completes(sound: Sound, before: Sound | None) -> bool:
    """True when a madd only goes on with the short vowel before it: one vowel in the mouth, two units in the script."""
    return before is not None and is_madd(sound.unit) and _SHORT_OF.get(sound.letter) == before.letter


def mnemonic(sound: Sound) -> str:
    """espeak-ng phoneme of a sound."""
    plain = PHONEMES[sound.letter]
    return DARK.get(plain, plain) if sound.heavy else plain


def breath(sounds: Sequence[Sound], lengths: Sequence[int], voice: MadeVoice) -> tuple[Pcm, list[Segment]]:
    """Source audio for sounds spoken in one breath and the segments that cut it, ``lengths`` in samples."""
    audio: list[Pcm] = []
    segments: list[Segment] = []
    offset = 0
    for first in range(0, len(sounds), _CHUNK):
        last = min(first + _CHUNK, len(sounds))
        begin, end = max(0, first - _CONTEXT), min(len(sounds), last + _CONTEXT)
        said, starts = _speak(sounds[begin:end], voice)
        pcm = said.pcm.copy()
        for n in range(first, last):
            place = n - begin
            if curve := COLOURS.get(UNITS[sounds[n].unit], COLOURS.get(sounds[n].letter)):
                colour(pcm, starts[place], starts[place + 1], curve)
            if sounds[n].letter == "ء" and n + 1 == len(sounds):
                colour(pcm, starts[place], starts[place + 1], _FAINT)
            segments.append(_segment(sounds[n], starts[place] + offset, starts[place + 1] + offset, lengths[n]))
        audio.append(pcm)
        offset += len(pcm)
    return np.concatenate(audio), segments


def _speak(sounds: Sequence[Sound], voice: MadeVoice) -> tuple[Utterance, list[int]]:
    """Say the sounds; the positions are those of the units, one more for the end."""
    whole = [not completes(sound, sounds[n - 1] if n else None) for n, sound in enumerate(sounds)]
    names = [mnemonic(sound) for sound, own in zip(sounds, whole, strict=True) if own]
    final_hamza = sounds[-1].letter == "ء"
    if final_hamza:  # Alone it is silence: a breath of its release belongs to it.
        names.append(PHONEMES[QALQALAH])
    said = espeak().speak(voice.espeak_name, voice.espeak_pitch, names, voice.tract)
    starts = list(said.starts)
    if final_hamza:
        del starts[-2]
    for n, own in enumerate(whole):
        if not own:  # Split the vowel that was spoken once between the short vowel and its madd.
            starts.insert(n, round(0.6 * starts[n - 1] + 0.4 * starts[n]))
    _give_closures(said.pcm, starts, sounds)
    return said, starts


def _give_closures(pcm: Pcm, starts: list[int], sounds: Sequence[Sound]) -> None:
    """Move positions so that a stop has its silent closure, and a hamza the onset after it."""
    for n, sound in enumerate(sounds):
        if sound.letter in STOPS:
            earliest = starts[n - 1] + 400 if n else max(0, starts[0] - 960)
            before = np.abs(pcm[earliest : starts[n]])
            # Some voices have an echo, 16 dB down, that fills the closure.
            floor = max(0.003, 0.16 * float(before.max(initial=0.0)))
            loud = np.flatnonzero(before >= floor)
            starts[n] = min(starts[n], earliest + (int(loud[-1]) + 1 if len(loud) else 0))
        if n and sounds[n - 1].letter in STOPS and sound.letter not in VOICELESS:
            # The pause between a burst and the voice after it.
            after = np.abs(pcm[starts[n] : min(starts[n] + _LATEST_ONSET, starts[n + 1] - 320)])
            starts[n] += int(np.argmax(after >= 0.1 * after.max(initial=0.0))) if len(after) else 0
        if n and sounds[n - 1].letter == "ء":
            starts[n] = max(starts[n], min(starts[n] + _HAMZA_ONSET, starts[n + 1] - 200))


def _segment(sound: Sound, start: int, end: int, samples: int) -> Segment:
    letter = sound.letter
    edge = _EDGE["vowel" if is_vowel(sound.unit) else "other"]
    tail = min(_RELEASE.get(letter, edge), (end - start) * 2 // 3)
    head = min(80 if letter in _RELEASE else edge, (end - start - tail) // 2)
    return Segment(
        start,
        max(end, start + 2),
        samples,
        head,
        tail,
        letter not in VOICELESS,
        is_vowel(sound.unit) or letter in _EVEN,
    )


def colour(pcm: Pcm, start: int, end: int, curve: Sequence[tuple[float, float]]) -> None:
    """Filter ``pcm[start:end]`` in place by a gain curve, faded in and out over 6 ms beyond each side."""
    fade = 96
    low, high = max(0, start - fade), min(len(pcm), end + fade)
    piece = pcm[low:high]
    size = 1 << (len(piece) + 512).bit_length()
    hertz, decibels = np.array(curve, np.float64).T
    gains = 10 ** (np.interp(np.fft.rfftfreq(size, 1 / SAMPLE_HZ), hertz, decibels) / 20)
    filtered = np.fft.irfft(np.fft.rfft(piece, size) * gains, size)[: len(piece)]
    blend = np.minimum(1.0, np.minimum(np.arange(1, len(piece) + 1), np.arange(len(piece), 0, -1)) / fade)
    pcm[low:high] = piece + blend.astype(np.float32) * (filtered.astype(np.float32) - piece)
