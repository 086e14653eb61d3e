"""What the tokens of other models stand for among our units.

A map is declared, not learned.  Every token of the model's vocabulary either stands for one or more units of
`recitation.phones`, sharing its probability among them, or for nothing.  What stands for nothing is taken out and
the rest of the frame is scaled up to 1.  There are three kinds:

* `script_map`: the Quran Phonetic Script, as Quran Muaalem speaks it.  Length is spelled by repetition there; runs are
  put together again by `recitation.acoustics.repeats`, and the count of a run chooses the length class.
* `letter_map`: Arabic letters, with or without marks.  A letter does not say how long it is held, so it stands for all
  its length classes, and for the other sounds it is written for.
* `table_map`: a JSON file (docs/engines.md).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.engine import ModelError
from recitation.acoustics.repeats import COUNTS, Floats, Side, runs
from recitation.phones import BLANK, CONSONANTS, INDEX, SHORT_VOWELS, UNITS, ScriptError, parse_script

LEAST_HEARD = 0.05
"""With less than this probability on tokens that stand for something, a frame is blank: it is not blown up."""
LEAST_LOG_PROB = -20.0

SCRIPT_ONLY = "ڇں۾"
"""Symbols that no ordinary Arabic text has: a vocabulary with all of them is the phonetic script."""
SCRIPT_ALIASES = {"ؙ": "ُ"}
"""The shortened dammah of ishmam is a dammah to us."""
SILENT_TOKENS = ("|", " ", "▁")
"""Word boundaries: something is emitted, nothing is pronounced."""

_HELD = {"ن": "نننن ںںں ۾۾۾", "م": "مممم ۾۾۾", "و": "ووو ۥۥ", "ي": "ييي ۦۦ"}
_QALQALAH = "قطبجد"
LETTERS: dict[str, tuple[str, ...]] = {
    **{
        c: (c, *([c * 2] if c != "ء" else []), *_HELD.get(c, "").split(), *(["ڇ"] if c in _QALQALAH else []))
        for c in CONSONANTS
    },
    **{vowel: (vowel,) for vowel in SHORT_VOWELS},
    "أ": ("ء", "ٲ"), "إ": ("ء",), "ؤ": ("ء",), "ئ": ("ء",), "آ": ("ء", "اا"), "ٱ": ("", "ء"),
    "ا": ("اا", "ء"), "ى": ("اا", "ـ" * 2, "ۦۦ"), "ٰ": ("اا",), "ۥ": ("ۥۥ",), "ۦ": ("ۦۦ",), "ۧ": ("ۦۦ",),
    "ة": ("ت", "ه"), "ً": ("َ", "ن", "ںںں", "۾۾۾"), "ٌ": ("ُ", "ن", "ںںں", "۾۾۾"), "ٍ": ("ِ", "ن", "ںںں", "۾۾۾"),
    **{mark: ("",) for mark in "ّْٓۡۢۜٔـ"},
}  # fmt: skip
"""Units a written letter or mark can stand for, "" being none of them: silent alif, shadda, sukun, madda."""

VOWEL_SHARE = 0.1
"""Where short vowels are not written a model cannot say them: its blank gives each of them this share."""


@dataclass(frozen=True, slots=True)
class UnitMap:
    """What each token stands for."""

    blank: int
    """The token that is CTC's blank."""
    weights: Floats
    """float32[V, 3, units]: shares of the token's units when it is said once, twice, three times or more in its run."""
    repeated: NDArray[np.intp]
    """Tokens that spell length by repetition."""

    def hear(self, posteriors: Floats, before: Side, emitted: int) -> tuple[Floats, Side]:
        """Log-probabilities of our units, float32[B, emitted, units], for the first frames of float32[B, T, V]."""
        blank = posteriors[:, :, self.blank]
        inside, outside, after = runs(posteriors[:, :, self.repeated], blank, before, emitted)
        shares = np.zeros((len(posteriors), emitted, *self.weights.shape[:2]), np.float32)
        shares[..., 0] = posteriors[:, :emitted]
        shares[:, :, self.repeated] = inside
        shares[:, :, self.blank, 0] = outside
        heard = shares.reshape(*shares.shape[:2], -1) @ self.weights.reshape(-1, len(UNITS))
        heard[..., BLANK] += np.maximum(LEAST_HEARD - heard.sum(axis=-1), 0)
        heard /= heard.sum(axis=-1, keepdims=True)
        return np.log(np.maximum(heard, np.exp(LEAST_LOG_PROB, dtype=np.float32))), after

    @property
    def unheard(self) -> list[str]:
        """Units that no token stands for."""
        return [unit for unit, weight in zip(UNITS, self.weights.sum(axis=(0, 1)), strict=True) if not weight]


def map_for(vocabulary: Sequence[str], blank: int, table: Path | None = None) -> UnitMap:
    """The map for a vocabulary, by index.  Raises ModelError when there is none."""
    if table is not None:
        return table_map(vocabulary, blank, table)
    known = set(vocabulary)
    if known.issuperset(SCRIPT_ONLY):
        return script_map(vocabulary, blank)
    if len(known.intersection(CONSONANTS)) > 0.8 * len(CONSONANTS):
        return letter_map(vocabulary, blank)
    some = " ".join(vocabulary[:12])
    raise ModelError(
        f"these tokens are neither Arabic letters nor the Quran Phonetic Script ({some} …): "
        "a table must say what they stand for (docs/engines.md)"
    )


def script_map(vocabulary: Sequence[str], blank: int) -> UnitMap:
    """The map for a model that speaks the Quran Phonetic Script, one symbol a token."""
    return _map(vocabulary, blank, {}, {token: token for token in vocabulary if _is_script(token)})


def letter_map(vocabulary: Sequence[str], blank: int) -> UnitMap:
    """The map for a model that writes Arabic; a token of several letters stands for the units of all of them."""
    units = {
        token: list(dict.fromkeys(unit for letter in token for unit in LETTERS[letter]))
        for token in vocabulary
        if token and all(letter in LETTERS for letter in token)
    }
    written = _map(vocabulary, blank, units, {})
    if not set(SHORT_VOWELS).intersection("".join(units)):
        vowels = [INDEX[vowel] for vowel in SHORT_VOWELS]
        written.weights[blank, :, vowels] = VOWEL_SHARE
        written.weights[blank, :, BLANK] = 1 - VOWEL_SHARE * len(vowels)
    return written


def table_map(vocabulary: Sequence[str], blank: int, path: Path) -> UnitMap:
    """The map in a JSON file: ``{"units": {token: [unit, …]}, "repeated": {token: symbol}}``, either may be left out.

    Raises ModelError for a file that is no such table, names no token of the vocabulary or an unknown unit.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the table of units {path} cannot be read: {error}") from error
    if not isinstance(table, dict) or not table.keys() <= {"units", "repeated"}:
        raise ModelError(f'{path} is not a table of units: an object with "units" and "repeated"')
    units, repeated = table.get("units", {}), table.get("repeated", {})
    if not all(isinstance(stands, list) for stands in units.values()):
        raise ModelError(f'{path}: in "units" every token has a list of units')
    if strangers := (units.keys() | repeated.keys()) - set(vocabulary):
        raise ModelError(f"{path} names tokens that the model does not have: {' '.join(sorted(strangers))}")
    unknown = {unit for stands in units.values() for unit in stands if unit not in INDEX}
    unknown |= {symbol for symbol in repeated.values() if not _is_script(symbol)}
    if unknown:
        raise ModelError(f"{path} names units that do not exist: {' '.join(sorted(map(str, unknown)))}")
    return _map(vocabulary, blank, units, repeated)


def _map(
    vocabulary: Sequence[str], blank: int, units: Mapping[str, Iterable[str]], repeated: Mapping[str, str]
) -> UnitMap:
    weights = np.zeros((len(vocabulary), COUNTS, len(UNITS)), np.float32)
    for token, name in enumerate(vocabulary):
        for count in range(COUNTS):
            stands = [INDEX[unit] for unit in units.get(name, ())]
            if name in repeated:
                stands = _script_units(repeated[name], count + 1)
            if name in SILENT_TOKENS or token == blank:
                stands = [BLANK]
            weights[token, count, stands] = 1 / max(len(stands), 1)
    places = [token for token, name in enumerate(vocabulary) if name in repeated and token != blank]
    return UnitMap(blank, weights, np.array(places, np.intp))


def _is_script(symbol: object) -> bool:
    try:
        return isinstance(symbol, str) and len(symbol) == 1 and bool(_script_units(symbol, 1))
    except ScriptError:
        return False


def _script_units(symbol: str, count: int) -> list[int]:
    """Units that a run of ``count`` symbols can be: a long glide is held or leen, which the vowel after it decides."""
    symbol = SCRIPT_ALIASES.get(symbol, symbol)
    try:
        units = {run.unit for run in parse_script(symbol * count)}
    except ScriptError:
        if count == 1:
            raise
        return _script_units(symbol, count - 1)
    if symbol in "وي":
        units.add(parse_script(symbol * count + SHORT_VOWELS[0])[0].unit)
    return sorted(units) or [BLANK]
