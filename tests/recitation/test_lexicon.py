"""The frozen lexicon: the whole text, light to load, each word in its four contexts."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from recitation.lexicon import DEFAULT_PATH, Form, Lexicon, LexiconError, Word, recited
from recitation.mushaf import AYAT_PER_SURAH, AYAT_TOTAL, AddressError, Reference, ayah_address, parse_reference
from recitation.phones import UNITS


def script(form: Form) -> str:
    return "".join(phone.script for phone in form)


def forms(word: Word) -> tuple[Form, ...]:
    return word.joined, word.stopped, word.started, word.alone


@pytest.fixture(scope="module")
def every_word(lexicon: Lexicon) -> list[Word]:
    """Every word of every 20th ayah, and of some surahs whole."""
    ayat = sorted({*range(0, AYAT_TOTAL, 20), *range(7), *range(6200, 6236)})
    return [
        lexicon.word(*ayah_address(index), number)
        for index in ayat
        for number in range(1, lexicon.word_count(*ayah_address(index)) + 1)
    ]


def test_it_loads_in_half_a_second_and_80_megabytes() -> None:
    program = (
        "import json, re, time\n"
        "from pathlib import Path\n"
        "import numpy\n"
        "from recitation.lexicon import default_lexicon\n"
        "began = time.process_time()\n"
        "lexicon = default_lexicon()\n"
        "seconds = time.process_time() - began\n"
        # ru_maxrss would also count the process that forked this one.
        "peak = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024\n"
        "print(json.dumps([len(lexicon), seconds, peak]))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    words, seconds, megabytes = json.loads(run.stdout)
    assert words == 77_433
    assert seconds < 0.5
    assert megabytes < 80


def test_the_text_is_whole(lexicon: Lexicon) -> None:
    assert lexicon.ayat == 6236
    assert len(lexicon) == 77_433
    counts = [lexicon.word_count(surah, ayah) for surah, n in enumerate(AYAT_PER_SURAH, 1) for ayah in range(1, n + 1)]
    texts = [lexicon.text(*ayah_address(index)) for index in range(AYAT_TOTAL)]
    assert sum(counts) == 77_433
    assert [len(text.split(" ")) for text in texts] == counts
    # Tanzil puts the shadda before its vowel, Unicode's canonical order after it.
    assert normalize("NFC", lexicon.text(1, 1)) == normalize("NFC", "بِسْمِ ٱللَّهِ ٱلرَّحْمَـٰنِ ٱلرَّحِيمِ")
    assert normalize("NFC", lexicon.text(112, 1)) == normalize("NFC", "قُلْ هُوَ ٱللَّهُ أَحَدٌ")


@pytest.mark.parametrize(
    ("at", "joined", "stopped", "started"),
    [
        ("1:1:1", "بِسمِ", "بِسم", "بِسمِ"),
        ("1:1:2", "للَااهِ", "للَااه", "ءَللَااهِ"),
        ("1:1:4", "ررَحِۦۦمِ", "ررَحِۦۦم", "ءَررَحِۦۦمِ"),
        ("1:7:9", "ضضَااللِۦۦن", "ضضَااللِۦۦن", "ءَضضَااللِۦۦن"),
        ("2:1:1", "ءَلِفلَااممممِۦۦم", "ءَلِفلَااممممِۦۦم", "ءَلِفلَااممممِۦۦم"),
        # Idgham with ghunnah joins the word before; iqlab needs the word after.
        ("2:19:3", "ممممِنَ", "ممممِن", "مِنَ"),
        ("2:19:7", "وووَرَعدُ", "وووَرَعدڇ", "وَرَعدُ"),
        ("2:19:9", "يييَجڇعَلُۥۥنَ", "يييَجڇعَلُۥۥن", "يَجڇعَلُۥۥنَ"),
        ("2:19:18", "مُحِۦۦطُ۾۾۾", "مُحِۦۦطڇ", "مُحِۦۦطُ۾۾۾"),
        # Sakt keeps the nun that idgham would take.
        ("2:27:5", "مِ۾۾۾", "مِن", "مِ۾۾۾"),
        ("2:249:23", "غُرفَتَ۾۾۾", "غُرفَه", "غُرفَتَ۾۾۾"),
        ("4:171:31", "ثَلَااثَتُنِ", "ثَلَااثَه", "ثَلَااثَتُنِ"),
        ("75:27:2", "مَن", "مَن", "مَن"),
        ("75:27:3", "رَااقِ", "رَااقڇ", "رَااقِ"),
        ("112:1:4", "ءَحَدُنِ", "ءَحَدڇ", "ءَحَدُنِ"),
        ("112:3:2", "يَلِدڇ", "يَلِدڇ", "يَلِدڇ"),
        ("112:4:2", "يَكُ", "يَكُن", "يَكُ"),
        ("112:4:3", "للَهُۥۥ", "للَه", "لَهُۥۥ"),
        ("112:4:4", "كُفُوَن", "كُفُوَاا", "كُفُوَن"),
    ],
)
def test_known_forms(lexicon: Lexicon, at: str, joined: str, stopped: str, started: str) -> None:
    (word,) = lexicon.words(parse_reference(at))
    assert (script(word.joined), script(word.stopped), script(word.started)) == (joined, stopped, started)
    assert word.at == at


@pytest.mark.parametrize(
    ("at", "alone"),
    [("1:1:2", "ءَللَااه"), ("112:1:2", "هُۥۥ"), ("2:19:3", "مِن"), ("2:19:16", "ءَلمَوت"), ("112:4:3", "لَه")],
)
def test_a_word_alone_is_begun_with_and_stopped_at(lexicon: Lexicon, at: str, alone: str) -> None:
    (word,) = lexicon.words(parse_reference(at))
    assert script(word.alone) == alone


def test_a_word_alone_mixes_its_two_variations(every_word: list[Word]) -> None:
    for word in every_word:
        alone = [phone.unit for phone in word.alone]
        assert alone[:1] == [word.started[0].unit], word.at
        assert alone[-1:] == [word.stopped[-1].unit], word.at
        longest = max(len(word.started), len(word.stopped)) + 1
        assert len(alone) <= longest, word.at


def test_a_passage_is_recited_with_a_stop_at_each_ayah(lexicon: Lexicon) -> None:
    said = recited(lexicon.words(parse_reference("112")))
    assert "".join(script(form) for _, form in said) == ("قُلهُوَللَااهُءَحَدڇءَللَااهُصصَمَدڇلَميَلِدڇوَلَميُۥۥلَدڇوَلَميَكُللَهُۥۥكُفُوَنءَحَدڇ")


def test_lengths_of_madds(lexicon: Lexicon) -> None:
    (word,) = lexicon.words(parse_reference("1:7:9"))
    madds = [(phone.count, lexicon.rules[phone.rule]) for phone in word.stopped if phone.script in ("اا", "ۦۦ")]
    assert madds == [(6, "Lazem Madd"), (4, "Aared Madd")]
    natural = lexicon.word(1, 1, 2).joined[2]
    assert (natural.script, natural.count, lexicon.rules[natural.rule]) == ("اا", 2, "Normal Madd")


def test_sifat(lexicon: Lexicon) -> None:
    sad = lexicon.sifa(lexicon.word(1, 6, 2).joined[0])
    assert (sad["hams_or_jahr"], sad["tafkheem_or_taqeeq"], sad["itbaq"], sad["safeer"]) == (
        "hams",
        "mofakham",
        "motbaq",
        "safeer",
    )
    qaf = next(phone for phone in lexicon.word(2, 19, 14).stopped if phone.script == "ق")
    assert lexicon.sifa(qaf)["qalqla"] == "moqalqal"
    assert len(sad) == 10
    # The lam of Allah is light after a kasrah and heavy when begun with.
    allah = lexicon.word(1, 1, 2)
    light = next(phone for phone in allah.joined if phone.script == "لل")
    heavy = next(phone for phone in allah.alone if phone.script == "لل")
    assert lexicon.sifa(light)["tafkheem_or_taqeeq"] == "moraqaq"
    assert lexicon.sifa(heavy)["tafkheem_or_taqeeq"] == "mofakham"


def test_every_form_has_phones_whose_letters_lie_in_the_text(lexicon: Lexicon, every_word: list[Word]) -> None:
    for word in every_word:
        for form in forms(word):
            assert form, word.at
            for phone in form:
                first, last = phone.letters
                assert 0 <= first <= last < len(word.text), word.at
                assert 0 < phone.unit < len(UNITS)
                assert phone.count >= 1
                assert 0 <= phone.sifa < len(lexicon.sifat)
                assert 0 <= phone.rule < len(lexicon.rules)


def test_letters_are_spelled_in_order(every_word: list[Word]) -> None:
    for word in every_word:
        firsts = [phone.letters[0] for phone in word.joined]
        assert firsts == sorted(firsts), word.at


def test_the_context_chooses_the_form(lexicon: Lexicon) -> None:
    word = lexicon.word(2, 19, 3)
    assert word.form(started=False, stopped=False) is word.joined
    assert word.form(started=False, stopped=True) is word.stopped
    assert word.form(started=True, stopped=False) is word.started
    assert word.form(started=True, stopped=True) is word.alone


@pytest.mark.parametrize(
    ("reference", "reason"), [("1:1:5", "no word 1:1:5: the ayah has 4 words"), ("2:282:129", "no word 2:282:129")]
)
def test_a_word_that_is_not_there(lexicon: Lexicon, reference: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        lexicon.words(parse_reference(reference))


def test_a_passage_has_the_words_of_its_ayat(lexicon: Lexicon) -> None:
    words = lexicon.words(parse_reference("1:1-7"))
    assert [word.at for word in words[:5]] == ["1:1:1", "1:1:2", "1:1:3", "1:1:4", "1:2:1"]
    assert len(words) == 29
    assert [word.text for word in words[:4]] == lexicon.text(1, 1).split(" ")


@pytest.fixture(params=["missing", "empty", "text", "truncated", "other format", "incomplete"])
def bad_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "lexicon.npz"
    match request.param:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("a lexicon")
        case "truncated":
            path.write_bytes(DEFAULT_PATH.read_bytes()[:100_000])
        case "other format":
            np.savez(path, format=np.array(99))
        case "incomplete":
            np.savez(path, format=np.array(1), text=np.zeros(3, np.uint8))
    yield path


def test_a_bad_file_is_a_lexicon_error(bad_file: Path) -> None:
    with pytest.raises(LexiconError, match=r"lexicon\.npz"):
        Lexicon(bad_file)


def test_a_damaged_byte_is_noticed(tmp_path: Path) -> None:
    raw = bytearray(DEFAULT_PATH.read_bytes())
    raw[random.Random(1).randrange(200_000, 600_000)] ^= 0xFF
    path = tmp_path / "lexicon.npz"
    path.write_bytes(raw)
    with pytest.raises(LexiconError, match=r"lexicon\.npz"):
        Lexicon(path)


def test_the_whole_quran_as_it_is_recited(lexicon: Lexicon) -> None:
    units, starts = lexicon.recited_units()
    assert len(starts) == len(lexicon) + 1
    assert starts[-1] == len(units)
    row = 0
    for surah in (1, 2, 7, 19, 36, 55, 93, 97, 103, 112, 114):
        first = sum(lexicon.word_count(s, a) for s in range(1, surah) for a in range(1, AYAT_PER_SURAH[s - 1] + 1))
        said = recited(lexicon.words(Reference(surah, 1, min(60, AYAT_PER_SURAH[surah - 1]))))
        for row, (word, form) in enumerate(said, first):
            assert units[starts[row] : starts[row + 1]].tolist() == [phone.unit for phone in form], word.at
    assert row == len(lexicon) - 1
