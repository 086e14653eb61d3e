"""The generator gives the frozen file again, for a handful of ayat that hold every rule."""

from pathlib import Path

import numpy as np
import pytest

from recitation.lexicon import Form, Lexicon, Phone
from recitation.mushaf import ayah_index
from recitation.phones import UNITS

pytest.importorskip("quran_transcript", reason="the generator needs quran-transcript (extra lexicon)")

from recitation.lexicon_build import Form as BuiltForm
from recitation.lexicon_build import build_ayah, pack, speak

AYAT = [(1, 1), (1, 7), (2, 1), (2, 19), (12, 11), (36, 1), (75, 27), (105, 4), (112, 4), (114, 6)]


def spoken(lexicon: Lexicon, form: Form) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(phone.unit, phone.count, lexicon.sifat[phone.sifa]) for phone in form]


def built(form: BuiltForm) -> list[tuple[int, int, tuple[str, ...]]]:
    return [(phone.unit, phone.count, phone.sifat) for phone in form]


def spelled(lexicon: Lexicon, phone: Phone) -> tuple[int, int, str]:
    return (*phone.letters, lexicon.rules[phone.rule])


@pytest.mark.parametrize(("surah", "ayah"), AYAT)
def test_an_ayah_is_built_as_it_is_frozen(lexicon: Lexicon, surah: int, ayah: int) -> None:
    words = build_ayah(ayah_index(surah, ayah))
    assert len(words) == lexicon.word_count(surah, ayah)
    for number, word in enumerate(words, 1):
        frozen = lexicon.word(surah, ayah, number)
        assert word.text == frozen.text
        assert built(word.joined) == spoken(lexicon, frozen.joined), frozen.at
        assert built(word.stopped) == spoken(lexicon, frozen.stopped), frozen.at
        assert built(word.started) == spoken(lexicon, frozen.started), frozen.at
        assert [(p.first_letter, p.last_letter, p.rule) for p in word.joined] == [
            spelled(lexicon, phone) for phone in frozen.joined
        ], frozen.at


@pytest.mark.parametrize(
    "at",
    [(1, 1, 2), (1, 7, 9), (2, 19, 3), (2, 19, 16), (2, 27, 5), (2, 249, 23), (2, 255, 1), (112, 1, 2), (112, 4, 3)],
)
def test_a_word_alone_is_what_the_generator_says_of_it_alone(lexicon: Lexicon, at: tuple[int, int, int]) -> None:
    word = lexicon.word(*at)
    assert spoken(lexicon, word.alone) == built(speak([word.text])[0])


def test_a_packed_surah_reads_back(lexicon: Lexicon, tmp_path: Path) -> None:
    path = tmp_path / "lexicon.npz"
    np.savez_compressed(path, allow_pickle=False, **pack([build_ayah(index) for index in range(7)]))
    again = Lexicon(path)
    assert len(again) == 29
    for ayah in range(1, 8):
        assert again.text(1, ayah) == lexicon.text(1, ayah)
        for number in range(1, again.word_count(1, ayah) + 1):
            ours, frozen = again.word(1, ayah, number), lexicon.word(1, ayah, number)
            for form in ("joined", "stopped", "started", "alone"):
                assert spoken(again, getattr(ours, form)) == spoken(lexicon, getattr(frozen, form)), frozen.at


def test_idgham_gives_the_run_to_the_later_word(lexicon: Lexicon) -> None:
    first, second = speak(lexicon.text(112, 4).split(" ")[1:3])
    assert [UNITS[phone.unit] for phone in first] == ["ي", "َ", "ك", "ُ"]
    assert UNITS[second[0].unit] == "لل"
