"""Generate the frozen lexicon from quran-transcript (a build-time dependency: extra ``lexicon``).

Run as ``python -m recitation.lexicon_build recitation/models/lexicon.npz``.  It costs about four minutes on two
cores because the phonetizer takes milliseconds an ayah and every word is spoken in its four contexts:

* joined to both neighbours (neighbours across ayah boundaries included);
* stopped at (waqf), as a variation of the joined form's last units;
* started from (ibtida), as a variation of the joined form's first units.

quran-transcript embeds the Tanzil text and must be fed nothing but slices of it.
"""

import multiprocessing
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from recitation.mushaf import AYAT_PER_SURAH, AYAT_TOTAL, ayah_address, ayah_index
from recitation.phones import IKHFA, INDEX, SIFA_FIELDS, parse_script

FORMAT = 1
MOSHAF = {
    "rewaya": "hafs",
    "madd_monfasel_len": 4,
    "madd_mottasel_len": 4,
    "madd_mottasel_waqf": 4,
    "madd_aared_len": 4,
}
"""The moshaf attributes the lexicon is frozen with; all others keep quran-transcript's defaults."""


@dataclass(frozen=True, slots=True, order=True)
class Phone:
    """One unit of a word as the generator sees it."""

    unit: int
    count: int
    first_letter: int
    """First and last letter (character of the word's Uthmani text) that spell the unit."""
    last_letter: int
    sifat: tuple[str, ...]
    rule: str
    """Madd or qalqalah rule named by quran-transcript, or an empty string."""


Form = tuple[Phone, ...]


class MappingError(ValueError):
    """quran-transcript lost count of letters or traits: seen for a handful of slices, never for a whole ayah."""


@dataclass(frozen=True, slots=True)
class WordForms:
    """A word in its contexts; ``stopped`` and ``started`` are complete forms."""

    text: str
    joined: Form
    stopped: Form
    started: Form


def speak(words: Sequence[str]) -> list[Form]:
    """Phones of consecutive words recited without a pause: started at the first, stopped at the last."""
    from quran_transcript import MoshafAttributes, chunck_phonemes, quran_phonetizer

    text = _stopped(" ".join(words))
    spoken: Any = quran_phonetizer(text, MoshafAttributes(**MOSHAF), remove_spaces=True)
    script: str = spoken.phonemes
    sifa_at: list[tuple[str, ...]] = []
    groups = chunck_phonemes(script)
    if len(groups) != len(spoken.sifat):
        raise MappingError(f"{len(spoken.sifat)} trait vectors for {len(groups)} phone groups")
    for group, sifa in zip(groups, spoken.sifat, strict=True):
        sifa_at += [tuple(getattr(sifa, field) for field in SIFA_FIELDS)] * len(group)

    letters = _letters_by_symbol(text, spoken.mappings, len(script))
    forms: list[list[Phone]] = [[] for _ in words]
    for run in parse_script(script):
        # A run that idgham spreads over two words belongs to the later one.
        word = max(letters[symbol][0] for symbol in range(run.start, run.end))
        marks = [letters[s] for s in range(run.start, run.end) if letters[s][0] == word]
        forms[word].append(
            Phone(
                run.unit,
                run.count,
                min(first for _, first, _, _ in marks),
                max(last for _, _, last, _ in marks),
                sifa_at[run.start],
                next((rule for *_, rule in marks if rule), ""),
            )
        )
    for form, following in pairwise(forms):
        _join_hidden(form, following)
    return [tuple(form) for form in forms]


def _stopped(text: str) -> str:
    """The text without the small mīm of an iqlab that a stop undoes: quran-transcript takes نۢ for م there, and no ةًۢ
    for a ة."""
    return re.sub("نۢ$", "نْ", re.sub("(?<=ة[ًٌٍ])[ۭۢ]$", "", text))


def _join_hidden(form: list[Phone], following: list[Phone]) -> None:
    """The kasrah of tanwin before hamzat al-wasl, which quran-transcript leaves out where ikhfa follows the hamzah."""
    if form and following and form[-1].unit == INDEX["ن"] and following[0].unit == INDEX[IKHFA * 3]:
        form.append(replace(form[-1], unit=INDEX["ِ"], rule=""))


def _letters_by_symbol(text: str, mappings: Any, symbols: int) -> list[tuple[int, int, int, str]]:
    """For every script symbol: (word, first letter, last letter, rule name)."""
    if len(mappings) != len(text):
        raise MappingError(f"{len(mappings)} letters mapped of {len(text)}")
    spans: list[tuple[int, int, int, str] | None] = [None] * symbols
    word = letter = 0
    for character, mapping in zip(text, mappings, strict=True):
        if character == " ":
            word, letter = word + 1, 0
            continue
        if mapping is not None and not mapping.deleted:
            rules = mapping.tajweed_rules or []
            rule = rules[0].name.en if rules else ""
            for symbol in range(*mapping.pos):
                known = spans[symbol]
                if known is None or known[0] != word:
                    spans[symbol] = (word, letter, letter, rule)
                else:
                    spans[symbol] = (word, known[1], letter, known[3] or rule)
        letter += 1
    filled: list[tuple[int, int, int, str]] = []
    for span in spans:
        if span is None:  # inserted by a rule: it is spelled by the letter before it
            span = (*filled[-1][:3], "") if filled else (0, 0, 0, "")
        filled.append(span)
    return filled


def ayah_words(index: int) -> list[str]:
    """Uthmani words of an ayah, by its index in the mushaf."""
    from quran_transcript import Aya

    return str(Aya(*ayah_address(index)).get().uthmani).split()


def build_ayah(index: int) -> list[WordForms]:
    """Every form of every word of one ayah."""
    surah, ayah = ayah_address(index)
    words = ayah_words(index)
    before = ayah_words(index - 1) if ayah > 1 else []
    after = ayah_words(index + 1) if ayah < AYAT_PER_SURAH[surah - 1] else []
    whole = speak(words)

    joined = list(whole)
    if after:
        joined[-1] = _speak_or(whole[-1], [*words[-2:], *after[:2]], min(1, len(words) - 1))
    if before:
        bridge = [*before[-2:], *words[:2], *(after[:1] if len(words) == 1 else [])]
        joined[0] = _speak_or(joined[0], bridge, min(2, len(before)))

    forms = []
    for n, text in enumerate(words):
        last, first = n == len(words) - 1, n == 0
        lead = words[max(0, n - 1) : n] or before[-1:]
        follow = words[n + 1 : n + 3] or after[:2]
        stopped = whole[n] if last and not first else _speak_or(joined[n], [*lead, text], -1)
        started = whole[n] if first and not last else _speak_or(joined[n], [text, *follow], 0)
        forms.append(WordForms(text, joined[n], stopped, started))
        if not (joined[n] and stopped and started):
            raise ValueError(f"{surah}:{ayah}:{n + 1} has a form without phones")
    return forms


def _speak_or(otherwise: Form, words: Sequence[str], position: int) -> Form:
    """The form of ``words[position]``, or another of its forms where quran-transcript fails on the slice."""
    try:
        return speak(words)[position]
    except MappingError as error:
        print(f"{' '.join(words)}: {error}", file=sys.stderr)
        return otherwise


def _variation(base: Form, form: Form, *, at_end: bool) -> tuple[int, Form]:
    """(units of ``base`` kept, units that replace the rest) for a variation at one end of the word."""
    keep = 0
    step = 1 if at_end else -1
    for a, b in zip(base[::step], form[::step], strict=False):
        if (a.unit, a.count, a.sifat) != (b.unit, b.count, b.sifat):
            break
        keep += 1
    return (keep, form[keep:]) if at_end else (keep, form[: len(form) - keep])


def pack(ayat: Sequence[Sequence[WordForms]]) -> dict[str, np.ndarray]:
    """Arrays of the lexicon file; see recitation.lexicon for their meaning."""
    sifat = sorted({p.sifat for a in ayat for w in a for f in (w.joined, w.stopped, w.started) for p in f})
    rules = sorted({p.rule for a in ayat for w in a for f in (w.joined, w.stopped, w.started) for p in f})
    sifa_index = {s: n for n, s in enumerate(sifat)}
    rule_index = {r: n for n, r in enumerate(rules)}

    def rows(phones: Form) -> list[tuple[int, ...]]:
        return [
            (p.unit, p.count, p.first_letter, p.last_letter, sifa_index[p.sifat], rule_index[p.rule]) for p in phones
        ]

    table: list[tuple[int, ...]] = []
    words: list[tuple[int, ...]] = []
    for ayah in ayat:
        for word in ayah:
            stop_keep, stop_tail = _variation(word.joined, word.stopped, at_end=True)
            start_keep, start_head = _variation(word.joined, word.started, at_end=False)
            words.append((len(word.joined), stop_keep, len(stop_tail), start_keep, len(start_head)))
            table += rows(word.joined) + rows(stop_tail) + rows(start_head)
    text = "\n".join(" ".join(w.text for w in ayah) for ayah in ayat)
    return {
        "format": np.array(FORMAT),
        "text": np.frombuffer(text.encode(), np.uint8),
        "phones": np.array(table, np.uint8),
        "words": np.array(words, np.uint8),
        "words_per_ayah": np.array([len(ayah) for ayah in ayat], np.uint16),
        "sifat": np.array(sifat),
        "rules": np.array(rules),
    }


def build() -> dict[str, np.ndarray]:
    """Speak all 6,236 ayat, on every core."""
    from tqdm import tqdm

    with multiprocessing.Pool() as pool:
        ayat = list(tqdm(pool.imap(build_ayah, range(AYAT_TOTAL), chunksize=16), total=AYAT_TOTAL, unit="ayah"))
    return pack(ayat)


def main(arguments: Sequence[str]) -> None:
    """Write the lexicon file named on the command line."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m recitation.lexicon_build OUT.npz")
    arrays = build()
    np.savez_compressed(Path(arguments[0]), allow_pickle=False, **arrays)
    print(f"{len(arrays['words'])} words, {len(arrays['phones'])} phones, ayah_index(1, 1) = {ayah_index(1, 1)}")


if __name__ == "__main__":
    main(sys.argv[1:])
