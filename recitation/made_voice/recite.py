"""A made recitation: words in, sound out, with the place of every phone known to the sample."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.lexicon import Form, Word
from recitation.made_voice.espeak import espeak
from recitation.made_voice.psola import period_of, resynthesise
from recitation.made_voice.slips import Order, RandomOrders, Said, Slip, apply, parse_order, plan, settle
from recitation.made_voice.speech import Sound, breath, completes, seconds_of
from recitation.made_voice.voices import DEFAULT_VOICE, VOICES, MadeVoice
from recitation.phones import UNITS, is_madd, is_vowel

PITCH_STEP = 160
"""Samples between the points of the pitch contour."""


@dataclass(frozen=True, slots=True)
class MadePhone:
    """A phone that was spoken."""

    at: str
    """Its word, ``surah:ayah:word``."""
    index: int
    """Its place in the canonical form of the word, also when another unit was said there."""
    unit: int
    """The unit spoken."""
    start: int
    """First sample."""
    end: int
    """One past the last sample: the start of the next phone, or of a pause."""

    @property
    def script(self) -> str:
        """The unit in the Quran Phonetic Script."""
        return UNITS[self.unit]


@dataclass(frozen=True, slots=True)
class MadeError:
    """A mistake that was made."""

    kind: str
    at: str
    index: int | None
    wanted: str
    """Script that should have been said (a madd with its counts), or addresses of words."""
    spoken: str
    """What was said instead; empty when it was left out."""
    start: int
    """Where it lies, in samples; for something left out, the place where it should have come."""
    end: int


@dataclass(frozen=True, slots=True)
class MadeRecitation:
    """Sound with its truth."""

    pcm: Pcm
    """float32[n] at 16 kHz."""
    phones: list[MadePhone]
    errors: list[MadeError]
    voice: str
    harakah_s: float
    pauses: list[tuple[int, int]]
    """Silences, the first before and the last after the recitation; with the phones they tile the sound."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a recitation is delivered, apart from the words, the voice and the tempo."""

    pitch_hz: float | None = None
    """Median pitch in place of the voice's own."""
    range_semitones: float | None = None
    """Movement of the pitch in place of the voice's own; 0 is a monotone."""
    variation: float = 1.0
    """Scale of the random differences of length; 0 makes every length the nominal one."""
    pause_s: tuple[float, float] = (0.4, 0.9)
    """Shortest and longest pause at a stop."""
    edge_s: float = 0.3
    """Silence before and after."""
    level_dbfs: float = -23.0
    """RMS of the speech."""
    noise_dbfs: float | None = -70.0
    """RMS of the room's noise; None is digital silence."""


def make_recitation(
    words: Sequence[tuple[Word, Form]],
    voice: str = DEFAULT_VOICE,
    harakah_s: float = 0.15,
    errors: Sequence[str | Order | RandomOrders] = (),
    random: np.random.Generator | int = 0,
    stops: Collection[str] = (),
    manner: Manner = Manner(),
) -> MadeRecitation:
    """Recite words with a made voice.

    ``harakah_s`` runs from 0.09 (hadr) to 0.25 (tahqiq); ``stops`` are addresses of words to stop at besides ayah
    ends.  The same arguments and seed give the same samples.  Raises EspeakError when espeak-ng is not installed,
    SlipError for an order that does not fit, ValueError for an unknown voice or a tempo out of reason.
    """
    if voice not in VOICES:
        raise ValueError(f"there is no voice {voice!r}: choose from {', '.join(VOICES)}")
    if not 0.05 <= harakah_s <= 0.5:
        raise ValueError(f"a harakah of {harakah_s} s is out of reason: from 0.05 to 0.5 s")
    if not words:
        raise ValueError("no words to recite")
    # Two streams, so that a mistake leaves the delivery of the words around it as it was.
    order_random, random = np.random.default_rng(random).spawn(2)
    said = plan(words, frozenset(stops))
    settle(said, changed=bool(stops))
    orders = [parse_order(order) if isinstance(order, str) else order for order in errors]
    slips = apply(said, orders, order_random)
    return _Performance(voice, harakah_s, manner, random).perform(said, slips)


@lru_cache(maxsize=len(VOICES))
def _source_period(voice: MadeVoice) -> float:
    """Pitch period of a voice as espeak-ng speaks it, in 16 kHz samples."""
    said = espeak().speak(voice.espeak_name, voice.espeak_pitch, ["a", "a", "n", "a"], voice.tract)
    return period_of(said.pcm[said.starts[0] + 800 : said.starts[2] - 400])


class _Performance:
    """One recitation in the making: sound is appended breath by breath."""

    def __init__(self, voice: str, harakah_s: float, manner: Manner, random: np.random.Generator) -> None:
        self._name, self._voice = voice, VOICES[voice]
        self._harakah_s, self._manner, self._random = harakah_s, manner, random
        self._period = _source_period(self._voice)
        self._parts: list[Pcm] = []
        self._length = 0
        self._phones: list[MadePhone] = []
        self._pauses: list[tuple[int, int]] = []
        self._sound_at: dict[int, tuple[int, int]] = {}
        self._word_at: dict[int, tuple[int, int]] = {}

    def perform(self, said: list[Said], slips: Sequence[Slip]) -> MadeRecitation:
        self._pause(self._manner.edge_s)
        begin = 0
        for n, place in enumerate(said):
            if place.pause:
                self._breathe(said[begin : n + 1])
                begin = n + 1
                if begin < len(said):
                    low, high = self._manner.pause_s
                    share = 0.6 if place.pause == "slip" else 1.0
                    self._pause(share * float(self._random.uniform(low, high)))
        self._pause(self._manner.edge_s)
        errors = sorted((self._error(slip) for slip in slips), key=lambda error: error.start)
        return MadeRecitation(self._finish(), self._phones, errors, self._name, self._harakah_s, self._pauses)

    def _pause(self, seconds: float) -> None:
        samples = round(seconds * SAMPLE_HZ)
        self._pauses.append((self._length, self._length + samples))
        self._parts.append(np.zeros(samples, np.float32))
        self._length += samples

    def _breathe(self, said: Sequence[Said]) -> None:
        """Speak words up to a pause."""
        sounds = [sound for place in said for sound in place.sounds]
        lengths = self._lengths(sounds)
        source, segments = breath(sounds, lengths, self._voice)
        total = sum(lengths)
        pcm, boundaries = resynthesise(source, segments, self._period, self._contour(total), self._random)
        fade_in, fade_out = 80, min(total // 4, 640)
        pcm[:fade_in] *= np.linspace(0, 1, fade_in, dtype=np.float32)
        pcm[total - fade_out :] *= np.cos(np.linspace(0, np.pi / 2, fade_out)).astype(np.float32)
        edges = (boundaries + self._length).tolist()
        self._parts.append(pcm)
        self._length += total
        n = 0
        for place in said:
            first = n
            for sound in place.sounds:
                span = (edges[n], edges[n + 1])
                self._phones.append(MadePhone(place.word.at, sound.index, sound.unit, *span))
                self._sound_at[id(sound)] = span
                n += 1
            self._word_at[id(place)] = (edges[first], edges[n])

    def _lengths(self, sounds: Sequence[Sound]) -> list[int]:
        """Lengths in samples; every phone differs a little from the nominal, madds less than others."""
        lengths = []
        tempo = float(np.exp(0.03 * self._manner.variation * self._random.standard_normal()))
        for n, sound in enumerate(sounds):
            opens = n + 1 < len(sounds) and completes(sounds[n + 1], sound)
            final = n + 1 == len(sounds) and not is_vowel(sound.unit)
            seconds = seconds_of(sound, self._harakah_s, opens_madd=opens, first=n == 0, final=final)
            spread = self._manner.variation * (0.03 if is_madd(sound.unit) else 0.07)
            stretch = tempo * float(np.exp(spread * np.clip(self._random.standard_normal(), -2.5, 2.5)))
            lengths.append(max(320, round(seconds * stretch * SAMPLE_HZ)))
        return lengths

    def _contour(self, samples: int) -> npt.NDArray[np.float32]:
        """Pitch of a breath in Hz, one value a sample: a fall over the breath, slow waves, and vibrato."""
        voice, manner, random = self._voice, self._manner, self._random
        span = voice.range_semitones if manner.range_semitones is None else manner.range_semitones
        t = np.arange(0, samples + PITCH_STEP, PITCH_STEP) / SAMPLE_HZ
        semitones = span * 0.8 * (0.5 - t / t[-1])
        for hz, depth in ((0.25, 0.8), (0.6, 0.7), (1.3, 0.4)):
            hz *= float(random.uniform(0.8, 1.25))
            semitones += span * depth * np.sin(2 * np.pi * (hz * t + random.uniform()))
        semitones += 0.1 * span * np.sin(2 * np.pi * 5.2 * t)
        hertz = (manner.pitch_hz or voice.pitch_hz) * 2 ** (semitones / 12)
        contour: npt.NDArray[np.float32] = np.interp(np.arange(samples), t * SAMPLE_HZ, hertz).astype(np.float32)
        return contour

    def _error(self, slip: Slip) -> MadeError:
        start, end = self._word_at[id(slip.first)][0], self._word_at[id(slip.last)][1]
        if slip.sound is not None:
            start, end = self._sound_at[id(slip.sound)]
        elif slip.kind == "drop":
            start = end = start if slip.leads else end
        elif slip.index is not None:
            spans = [self._sound_at[id(sound)] for sound in slip.first.sounds if sound.index < slip.index]
            start = end = spans[-1][1] if spans else start
        return MadeError(slip.kind, slip.at, slip.index, slip.wanted, slip.spoken, start, end)

    def _finish(self) -> Pcm:
        """The sound at its level, with the room's noise."""
        pcm = np.concatenate(self._parts)
        speech = np.concatenate([pcm[phone.start : phone.end] for phone in self._phones])
        gain = 10 ** (self._manner.level_dbfs / 20) / max(1e-6, float(np.sqrt(np.mean(np.square(speech)))))
        pcm *= min(gain, 0.89 / max(1e-6, float(np.abs(pcm).max())))
        if self._manner.noise_dbfs is not None:
            pcm += _room_noise(len(pcm), self._manner.noise_dbfs, self._random)
        return pcm


def _room_noise(samples: int, dbfs: float, random: np.random.Generator) -> Pcm:
    """Noise that falls 3 dB an octave above 100 Hz, as in a quiet room."""
    white = random.standard_normal(samples).astype(np.float32)
    size = 1 << 14
    shape = 1 / np.sqrt(np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_HZ), 100.0))
    kernel = np.fft.fftshift(np.fft.irfft(shape))[size // 2 - 256 : size // 2 + 256] * np.hanning(512)
    noise = np.convolve(white, kernel, "same")
    scaled: Pcm = (noise * (10 ** (dbfs / 20) / np.sqrt(np.mean(np.square(noise))))).astype(np.float32)
    return scaled
