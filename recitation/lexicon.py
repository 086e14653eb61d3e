"""The frozen lexicon: every word of the 6,236 ayat with its phones in each context.

Loading reads one compressed NumPy archive; words are built when asked for.  The text is Tanzil's (CC BY 3.0, see
``NOTICE``), the phones come from quran-transcript through ``recitation.lexicon_build``.
"""

import zlib
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recitation.mushaf import AYAT_PER_SURAH, AddressError, Reference, ayah_index
from recitation.phones import SIFA_FIELDS, UNITS

FORMAT = 1
DEFAULT_PATH = Path(__file__).parent / "models" / "lexicon.npz"
_ARRAYS = {"text", "phones", "words", "words_per_ayah", "sifat", "rules"}


class LexiconError(RuntimeError):
    """The lexicon file is missing, of another format, or damaged."""


@dataclass(frozen=True, slots=True)
class Phone:
    """One unit of a word."""

    unit: int
    count: int
    """Canonical length: counts (harakat) for a madd vowel, repetitions in the phonetic script otherwise."""
    letters: tuple[int, int]
    """First and last character of the word's Uthmani text that spell it."""
    sifa: int
    """Index into ``Lexicon.sifat``."""
    rule: int
    """Index into ``Lexicon.rules``; 0 is no rule."""

    @property
    def script(self) -> str:
        """The unit in the Quran Phonetic Script."""
        return UNITS[self.unit]


Form = tuple[Phone, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the Quran and its forms."""

    surah: int
    ayah: int
    number: int
    text: str
    joined: Form
    """Between its neighbours, no pause on either side."""
    stopped: Form
    """Joined to the word before, stopped at (waqf)."""
    started: Form
    """Begun with, joined to the word after."""
    alone: Form
    """Begun with and stopped at."""

    @property
    def at(self) -> str:
        """``surah:ayah:word``."""
        return f"{self.surah}:{self.ayah}:{self.number}"

    def form(self, *, started: bool, stopped: bool) -> Form:
        """The form for a place before or after a pause."""
        if started:
            return self.alone if stopped else self.started
        return self.stopped if stopped else self.joined


class Lexicon:
    """See the module's docstring.  Arrays are read-only and shared; instances are cheap to pass around."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        """Raises LexiconError when the file cannot be used."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise LexiconError(f"cannot read the lexicon {path}: {error}") from error
        if int(arrays.get("format", 0)) != FORMAT or not arrays.keys() >= _ARRAYS:
            raise LexiconError(f"{path} is not a lexicon of format {FORMAT}: run python -m recitation.lexicon_build")
        self.sifat: tuple[tuple[str, ...], ...] = tuple(tuple(map(str, row)) for row in arrays["sifat"])
        self.rules: tuple[str, ...] = tuple(map(str, arrays["rules"]))
        self._ayat: list[bytes] = arrays["text"].tobytes().split(b"\n")
        self._phones: NDArray[np.uint8] = arrays["phones"]
        self._words: NDArray[np.uint8] = arrays["words"]
        lengths = self._words[:, 0].astype(np.uint32) + self._words[:, 2] + self._words[:, 4]
        self._phone_offset = np.concatenate([[0], np.cumsum(lengths, dtype=np.uint32)])
        counts = arrays["words_per_ayah"].astype(np.uint32)
        self._word_offset = np.concatenate([[0], np.cumsum(counts, dtype=np.uint32)])

    def __len__(self) -> int:
        """Number of words."""
        return len(self._words)

    def word_count(self, surah: int, ayah: int) -> int:
        """Words of an ayah."""
        index = ayah_index(surah, ayah)
        return int(self._word_offset[index + 1] - self._word_offset[index])

    def text(self, surah: int, ayah: int) -> str:
        """Uthmani text of an ayah, verbatim."""
        return self._ayat[ayah_index(surah, ayah)].decode()

    def word(self, surah: int, ayah: int, number: int) -> Word:
        """One word, ``number`` from 1.  Raises AddressError when the ayah is shorter."""
        count = self.word_count(surah, ayah)
        if not 1 <= number <= count:
            raise AddressError(f"there is no word {surah}:{ayah}:{number}: the ayah has {count} words")
        row = int(self._word_offset[ayah_index(surah, ayah)]) + number - 1
        size, stop_keep, tail_size, start_keep, head_size = map(int, self._words[row])
        begin = int(self._phone_offset[row])
        phones = tuple(
            Phone(unit, count, (first, last), sifa, rule)
            for unit, count, first, last, sifa, rule in self._phones[
                begin : begin + size + tail_size + head_size
            ].tolist()
        )
        joined, tail, head = phones[:size], phones[size : size + tail_size], phones[size + tail_size :]
        # The two variations overlap in the alif of Allah: stopped at it is longer, begun with it is heavy.
        overlap = max(0, size - start_keep - stop_keep)
        both = tuple(
            replace(long, sifa=heavy.sifa) for heavy, long in zip(head[len(head) - overlap :], tail, strict=False)
        )
        return Word(
            surah,
            ayah,
            number,
            self.text(surah, ayah).split(" ")[number - 1],
            joined,
            joined[:stop_keep] + tail,
            head + joined[size - start_keep :],
            head[: len(head) - overlap] + joined[size - start_keep : stop_keep] + both + tail[overlap:],
        )

    def words(self, reference: Reference) -> tuple[Word, ...]:
        """Every word a reference covers.  Raises AddressError when it names a word that is not there."""
        if reference.word is not None:
            return (self.word(reference.surah, reference.first, reference.word),)
        return tuple(
            self.word(reference.surah, ayah, number)
            for ayah in reference.ayat
            for number in range(1, self.word_count(reference.surah, ayah) + 1)
        )

    def recited_units(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """The whole Quran recited ayah by ayah: every unit, uint8[P], and where each word begins, int32[words + 1]."""
        size, stop_keep, tail_size, start_keep, head_size = self._words.T.astype(np.int32)
        first = np.zeros(len(self) + 1, np.bool_)
        first[self._word_offset] = True
        opens, closes = first[:-1], first[1:]
        base = self._phone_offset[:-1].astype(np.int32)
        body = np.where(opens, size - start_keep, 0)
        begins = np.stack([base + size + tail_size, base + body, base + size], axis=1).ravel()
        ends = np.where(closes, stop_keep, size)
        lengths = np.stack([np.where(opens, head_size, 0), ends - body, np.where(closes, tail_size, 0)], axis=1)
        overlap = np.maximum(0, body - ends)  # in an ayah of one word, as in ``word``
        lengths[:, 0] -= overlap
        lengths[:, 1] += overlap
        starts = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))]).astype(np.int32)
        flat = lengths.ravel()
        offsets = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        return self._phones[np.repeat(begins, flat) + offsets, 0], starts

    def sifa(self, phone: Phone) -> dict[str, str]:
        """Articulatory traits of a phone by name."""
        return dict(zip(SIFA_FIELDS, self.sifat[phone.sifa], strict=True))

    @cached_property
    def ayat(self) -> int:
        """Number of ayat."""
        return sum(AYAT_PER_SURAH)


def recited(words: tuple[Word, ...]) -> list[tuple[Word, Form]]:
    """Words with the form each takes when recited ayah by ayah, stopping at the end of each ayah."""
    spoken = []
    for n, word in enumerate(words):
        started = n == 0 or words[n - 1].ayah != word.ayah
        stopped = n + 1 == len(words) or words[n + 1].ayah != word.ayah
        spoken.append((word, word.form(started=started, stopped=stopped)))
    return spoken


@lru_cache(maxsize=1)
def default_lexicon() -> Lexicon:
    """The lexicon that ships with the package, loaded once."""
    return Lexicon()
