"""The rule tagger on places that a teacher would ask about, each checked by hand."""

import pytest

from recitation.lexicon import Lexicon, Word
from recitation.mushaf import ayah_address, ayah_index, parse_reference
from recitation.tajweed.moshaf import TAFKHIM, TARQIQ, Moshaf
from recitation.tajweed.rules import Family, Instance, Rule
from recitation.tajweed.tagger import instances, recited_instances

ANY = Moshaf()


def tagged(lexicon: Lexicon, at: str, how: str = "joined", moshaf: Moshaf = ANY) -> tuple[Word, tuple[Instance, ...]]:
    """The rules of a word recited ``joined``, ``stopped``, ``started`` or ``alone`` (the names of its forms)."""
    (word,) = lexicon.words(parse_reference(at))
    form = word.form(started=how in ("started", "alone"), stopped=how in ("stopped", "alone"))
    after = None
    if how in ("joined", "started"):
        surah, ayah, number = word.surah, word.ayah, word.number + 1
        if number > lexicon.word_count(surah, ayah):
            (surah, ayah), number = ayah_address(ayah_index(surah, ayah) + 1), 1
        after = lexicon.word(surah, ayah, number).joined[0]
    return word, instances(word, form, after=after, moshaf=moshaf)


def rules_of(
    lexicon: Lexicon, at: str, how: str = "joined", *families: Family, moshaf: Moshaf = ANY
) -> list[tuple[str, str]]:
    """(rule, letters) of a word's instances, of some families only where they are named."""
    word, found = tagged(lexicon, at, how, moshaf)
    return [
        (one.rule.value, word.text[one.letters[0] : one.letters[1] + 1])
        for one in found
        if not families or one.rule.family in families
    ]


def test_al_fatihah(lexicon: Lexicon) -> None:
    said = recited_instances(lexicon.words(parse_reference("1")), ANY)
    found = [
        (word.at.removeprefix("1:"), one.rule.value, word.text[one.letters[0] : one.letters[1] + 1])
        for word, _, rules in said
        for one in rules
        if one.rule not in (Rule.HAMZAT_WASL, Rule.MADD_TABII, Rule.IZHAR_SHAFAWI)
    ]
    assert found == [
        ("1:2", "tarqiq", "لّ"), ("1:3", "tafkhim", "رّ"), ("1:4", "tafkhim", "رّ"), ("1:4", "madd_arid", "ي"),
        ("1:4", "waqf", "ِ"),
        ("2:2", "tarqiq", "لّ"), ("2:3", "tafkhim", "ر"), ("2:4", "madd_arid", "ي"), ("2:4", "waqf", "َ"),
        ("3:1", "tafkhim", "رّ"), ("3:2", "tafkhim", "رّ"), ("3:2", "madd_arid", "ي"), ("3:2", "waqf", "ِ"),
        ("4:3", "madd_arid", "ي"), ("4:3", "waqf", "ِ"),
        ("5:4", "madd_arid", "ي"), ("5:4", "waqf", "ُ"),
        ("6:2", "tafkhim", "صّ"), ("6:2", "tafkhim", "ر"), ("6:2", "tafkhim", "ط"), ("6:3", "tafkhim", "ق"),
        ("6:3", "madd_arid", "ي"), ("6:3", "waqf", "َ"),
        ("7:1", "tafkhim", "ص"), ("7:1", "tafkhim", "ر"), ("7:1", "tafkhim", "ط"), ("7:3", "izhar", "نْ"),
        ("7:5", "tafkhim", "غ"), ("7:5", "tarqiq", "ر"), ("7:6", "tafkhim", "غْ"), ("7:6", "tafkhim", "ض"),
        ("7:9", "tafkhim", "ضّ"), ("7:9", "madd_lazim", "آ"), ("7:9", "madd_arid", "ي"), ("7:9", "waqf", "َ"),
    ]  # fmt: skip


def test_al_ikhlas(lexicon: Lexicon) -> None:
    found = [
        (word.at, one.rule.value, one.first, one.last, one.counts)
        for word, _, rules in recited_instances(lexicon.words(parse_reference("112")), ANY)
        for one in rules
        if one.rule.family not in (Family.WEIGHT, Family.STOP)
    ]
    assert found == [
        ("112:1:3", "madd_tabii", 2, 2, (2, 2)),
        ("112:1:4", "qalqalah_kubra", 4, 5, None),
        ("112:2:1", "madd_tabii", 4, 4, (2, 2)),
        ("112:2:2", "qalqalah_kubra", 4, 5, None),
        ("112:3:1", "izhar_shafawi", 2, 2, None),
        ("112:3:2", "qalqalah_sughra", 4, 5, None),
        ("112:3:3", "izhar_shafawi", 4, 4, None),
        ("112:3:4", "madd_tabii", 2, 2, (2, 2)),
        ("112:3:4", "qalqalah_kubra", 5, 6, None),
        ("112:4:1", "izhar_shafawi", 4, 4, None),
        ("112:4:2", "idgham_no_ghunnah", 4, 4, None),
        ("112:4:3", "madd_silah_sughra", 4, 4, (2, 2)),
        ("112:4:4", "izhar", 6, 6, None),
        ("112:4:5", "qalqalah_kubra", 4, 5, None),
    ]


def spelled_out(lexicon: Lexicon, verses: str) -> list[str]:
    """``rule letters`` of every instance of a passage but hamzat wasl and what stops change."""
    return [
        f"{one.rule.value} {word.text[one.letters[0] : one.letters[1] + 1]}"
        for word, _, found in recited_instances(lexicon.words(parse_reference(verses)), ANY)
        for one in found
        if one.rule not in (Rule.HAMZAT_WASL, Rule.WAQF)
    ]


def test_the_letters_of_al_ikhlas(lexicon: Lexicon) -> None:
    assert spelled_out(lexicon, "112") == [
        "tafkhim ق", "tafkhim لّ", "madd_tabii َ", "qalqalah_kubra د",
        "tafkhim لّ", "madd_tabii َ", "tafkhim صّ", "qalqalah_kubra د",
        "izhar_shafawi مْ", "qalqalah_sughra دْ", "izhar_shafawi مْ", "madd_tabii و", "qalqalah_kubra دْ",
        "izhar_shafawi مْ", "idgham_no_ghunnah ن", "madd_silah_sughra ۥ", "izhar ً", "qalqalah_kubra د",
    ]  # fmt: skip


def test_the_last_ayah_of_al_fatihah(lexicon: Lexicon) -> None:
    assert spelled_out(lexicon, "1:7") == [
        "tafkhim ص", "tafkhim ر", "madd_tabii ٰ", "tafkhim ط", "madd_tabii ي", "izhar نْ", "izhar_shafawi مْ",
        "izhar_shafawi مْ", "tafkhim غ", "tarqiq ر", "tafkhim غْ", "tafkhim ض", "madd_tabii و", "izhar_shafawi مْ",
        "tafkhim ضّ", "madd_lazim \u0627\u0653", "madd_arid ي",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("2:19:4", Rule.MADD_MUTTASIL),  # ٱلسَّمَآءِ
        ("2:19:11", Rule.MADD_MUNFASIL),  # فِىٓ ءَاذَانِهِم
        ("2:19:12", Rule.MADD_BADAL),
        ("2:19:2", Rule.IDGHAM_GHUNNAH),  # كَصَيِّبٍۢ مِّنَ
        ("2:19:18", Rule.IQLAB),  # مُحِيطٌۢ بِٱلْكَـٰفِرِينَ
        ("2:2:6", Rule.IDGHAM_NO_GHUNNAH),  # هُدًۭى لِّلْمُتَّقِينَ
        ("11:42:5", Rule.IKHFA),  # مَوْجٍۢ كَٱلْجِبَالِ
        ("11:42:14", Rule.IDGHAM_MUTAJANISAYN),  # ٱرْكَب مَّعَنَا
        ("105:4:1", Rule.IKHFA_SHAFAWI),  # تَرْمِيهِم بِحِجَارَةٍۢ
        ("77:20:2", Rule.IDGHAM_MUTAQARIBAYN),  # نَخْلُقكُّم
        ("75:27:2", Rule.SAKT),  # مَنْ رَاقٍۢ
        ("83:14:2", Rule.SAKT),  # بَلْ رَانَ
        ("104:3:3", Rule.MADD_SILAH_KUBRA),  # مَالَهُۥٓ أَخْلَدَهُۥ
    ],
)
def test_famous_places(lexicon: Lexicon, at: str, rule: Rule) -> None:
    assert rule in {one.rule for one in tagged(lexicon, at)[1]}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2:255:2", [("madd_munfasil", "آ")]),
        ("2:255:3", [("madd_tabii", "ٰ")]),
        ("2:255:10", [("idgham_ghunnah", "ٌۭ")]),
        ("2:255:12", [("idgham_no_ghunnah", "ٌۭ")]),
        ("2:255:15", []),  # the ya of فى falls before hamzat wasl
        ("2:255:20", [("ikhfa", "ن")]),
        ("2:255:24", [("ikhfa", "ن"), ("madd_silah_kubra", "ۥٓ")]),
        ("2:255:26", [("madd_silah_sughra", "ۦ")]),
        ("2:255:35", [("idgham_ghunnah", "ٍۢ")]),
        ("2:255:36", [("izhar", "نْ")]),
        ("2:255:37", [("madd_silah_kubra", "ۦٓ")]),
        ("2:255:40", [("madd_muttasil", "آ")]),
        ("2:255:46", [("madd_badal", "و"), ("madd_silah_sughra", "ۥ")]),
    ],
)
def test_ayat_al_kursi(lexicon: Lexicon, at: str, expected: list[tuple[str, str]]) -> None:
    assert rules_of(lexicon, at, "joined", Family.MADD, Family.NASAL, Family.GHUNNAH) == expected


@pytest.mark.parametrize(
    ("at", "how", "expected"),
    [
        ("10:51:5", "joined", ["madd_badal"]),  # ءَامَنتُم
        ("10:51:7", "joined", ["madd_lazim", "madd_badal"]),  # ءَآلْـَٔـٰنَ
        ("10:51:7", "stopped", ["madd_lazim", "madd_arid"]),
        ("6:143:10", "stopped", ["madd_lazim", "madd_leen"]),  # ءَآلذَّكَرَيْنِ
        ("6:80:4", "joined", ["madd_lazim", "madd_lazim", "madd_tabii"]),  # أَتُحَـٰٓجُّوٓنِّى
        ("2:21:1", "joined", ["madd_munfasil"]),  # يَـٰٓأَيُّهَا, its last alif falls
        ("3:66:2", "joined", ["madd_munfasil", "madd_muttasil"]),  # هَـٰٓؤُلَآءِ
        ("69:19:7", "joined", ["madd_muttasil"]),  # هَآؤُمُ is one word
        ("2:4:3", "stopped", ["madd_tabii"]),  # بِمَآ has no hamzah after it when stopped at
        ("2:22:7", "stopped", ["madd_muttasil", "madd_iwad"]),  # بِنَآءً
        ("2:2:6", "stopped", ["madd_iwad"]),  # هُدًى
        ("2:2:6", "joined", []),
        ("112:4:4", "stopped", ["madd_iwad"]),  # كُفُوًا
        ("11:82:9", "stopped", ["madd_tabii"]),  # حِجَارَةً: tanwin on ة becomes no alif
        ("96:15:5", "stopped", ["madd_iwad"]),  # لَنَسْفَعًۢا
        ("18:1:11", "joined", ["madd_iwad"]),  # عِوَجَا with the sakt
        ("9:109:19", "stopped", []),  # بِهِۦ
        ("2:19:1", "stopped", []),  # أَوْ ends with its glide
        ("104:1:1", "stopped", ["madd_leen"]),  # وَيْلٌ
        ("33:10:16", "stopped", ["madd_tabii", "madd_tabii"]),  # ٱلظُّنُونَا۠
        ("33:10:16", "joined", ["madd_tabii"]),
        ("76:4:4", "stopped", ["madd_tabii"]),  # سَلَـٰسِلَا۟ without its alif
        ("11:41:6", "joined", ["madd_tabii", "madd_tabii"]),  # مَجْر۪ىٰهَا
        ("2:1:1", "stopped", ["madd_lazim", "madd_lazim"]),  # الٓمٓ
        ("20:1:1", "stopped", ["madd_tabii", "madd_tabii"]),  # طه
        ("2:283:16", "started", ["madd_badal"]),  # ٱؤْتُمِنَ
        ("2:283:16", "joined", []),
    ],
)
def test_madd(lexicon: Lexicon, at: str, how: str, expected: list[str]) -> None:
    assert [rule for rule, _ in rules_of(lexicon, at, how, Family.MADD)] == expected


@pytest.mark.parametrize(
    ("at", "how", "expected"),
    [
        ("1:7:3", "joined", [("izhar", "نْ"), ("izhar_shafawi", "مْ")]),
        ("2:85:38", "joined", [("izhar", "نْ")]),  # ٱلدُّنْيَا: clear before ya in the same word
        ("13:4:10", "joined", [("izhar", "نْ"), ("idgham_ghunnah", "ٌۭ")]),  # صِنْوَانٌ
        ("36:1:1", "joined", [("izhar", "سٓ")]),  # يسٓ وَٱلْقُرْءَانِ
        ("68:1:1", "joined", [("izhar", "نٓ")]),
        ("2:1:1", "stopped", [("idgham_shafawi", "مٓ")]),
        ("26:1:1", "stopped", [("idgham_ghunnah", "مٓ")]),  # طسٓمٓ
        ("19:1:1", "stopped", [("ikhfa", "عٓ")]),
        ("112:1:4", "joined", []),  # the ن of tanwin has a kasrah before hamzat wasl
        ("7:158:8", "joined", []),  # جَمِيعًا ٱلَّذِى, the same before a doubled lam
        ("4:171:31", "joined", []),  # ثَلَـٰثَةٌ ٱنتَهُوا۟
        ("2:19:18", "joined", [("iqlab", "ٌۢ")]),
        ("5:28:1", "joined", [("iqlab", "نۢ")]),  # لَئِنۢ بَسَطتَ
        ("105:4:1", "joined", [("ikhfa_shafawi", "م")]),  # تَرْمِيهِم بِحِجَارَةٍ
        ("2:10:2", "joined", [("idgham_shafawi", "م")]),
        ("2:8:3", "joined", [("idgham_ghunnah", "ن")]),  # مَن يَقُولُ
        ("2:5:4", "joined", [("idgham_no_ghunnah", "ن")]),  # مِّن رَّبِّهِمْ
        ("75:27:2", "joined", [("izhar", "نْ")]),  # مَنْ رَاقٍ, kept by the sakt
        ("44:33:6", "joined", [("idgham_ghunnah", "ٌۭ")]),  # بَلَـٰٓؤٌا۟ مُّبِينٌ
        ("2:60:6", "joined", [("idgham_mithlayn", "ب")]),
        ("4:78:3", "joined", [("idgham_mithlayn", "ككّ")]),  # يُدْرِككُّمُ
        ("2:61:57", "joined", [("idgham_mithlayn", "و")]),  # عَصَوا۟ وَّكَانُوا۟
        ("4:64:11", "joined", [("idgham_mutajanisayn", "ذ")]),  # إِذ ظَّلَمُوٓا۟
        ("7:176:20", "joined", [("idgham_mutajanisayn", "ث")]),  # يَلْهَث ذَّٰلِكَ
        ("2:256:5", "joined", [("idgham_mutajanisayn", "د")]),  # قَد تَّبَيَّنَ
        ("5:28:2", "joined", [("idgham_mutajanisayn", "طت")]),  # بَسَطتَ
        ("17:24:7", "joined", [("idgham_mutaqaribayn", "ل")]),  # وَقُل رَّبِّ
        ("77:20:2", "stopped", [("idgham_mutaqaribayn", "قكّ")]),  # نَخْلُقكُّم
        ("12:11:6", "joined", [("ghunnah", "نّ")]),  # تَأْمَ۫نَّا
        ("114:6:3", "stopped", [("ghunnah", "نّ")]),  # وَٱلنَّاسِ
        ("2:19:3", "joined", []),  # مِّنَ: its shaddah is the tanwin of the word before
    ],
)  # fmt: skip
def test_nasals_and_idgham(lexicon: Lexicon, at: str, how: str, expected: list[tuple[str, str]]) -> None:
    assert rules_of(lexicon, at, how, Family.NASAL, Family.GHUNNAH) == expected


def test_idgham_sounds_at_the_begin_of_the_word_after(lexicon: Lexicon) -> None:
    word, (idgham,) = tagged(lexicon, "2:8:3")
    assert (idgham.first, idgham.last, idgham.counts) == (len(word.joined), len(word.joined), (2, 2))
    _, (*_, irkab) = tagged(lexicon, "11:42:14")
    assert (irkab.rule, irkab.counts) == (Rule.IDGHAM_MUTAJANISAYN, (2, 2))


@pytest.mark.parametrize(
    ("at", "how", "expected"),
    [
        ("2:19:9", "joined", [("qalqalah_sughra", "جْ")]),
        ("112:3:2", "joined", [("qalqalah_sughra", "دْ")]),
        ("2:256:5", "stopped", [("qalqalah_kubra", "د")]),  # قَد, with idgham when joined
        ("2:256:5", "joined", []),
        ("2:2:5", "stopped", []),
        ("34:12:10", "stopped", [("qalqalah_sughra", "طْ")]),  # ٱلْقِطْرِ
        ("5:28:2", "joined", []),  # the ط of بَسَطتَ is not released
        ("2:26:17", "stopped", [("qalqalah_kubra", "قّ")]),  # ٱلْحَقُّ
    ],
)
def test_qalqalah(lexicon: Lexicon, at: str, how: str, expected: list[tuple[str, str]]) -> None:
    assert rules_of(lexicon, at, how, Family.QALQALAH) == expected


@pytest.mark.parametrize(
    ("at", "how", "expected"),
    [
        ("1:2:3", "joined", "tafkhim"),  # رَبِّ
        ("1:7:5", "stopped", "tarqiq"),  # غَيْرِ
        ("2:20:25", "stopped", "tarqiq"),  # قَدِيرٌ
        ("2:20:25", "joined", "tafkhim"),
        ("6:7:5", "joined", ""),
        ("6:7:6", "joined", "tafkhim"),  # قِرْطَاسٍ: istiʿla after it
        ("89:14:3", "joined", "tafkhim"),  # لَبِٱلْمِرْصَادِ
        ("2:49:5", "joined", "tarqiq"),  # فِرْعَوْنَ
        ("70:5:1", "joined", "tarqiq"),  # فَٱصْبِرْ صَبْرًا: the ص is of another word
        ("24:50:5", "joined", "tafkhim"),  # أَمِ ٱرْتَابُوٓا۟: a kasrah for the meeting of two
        ("24:50:5", "started", "tafkhim"),
        ("2:177:2", "stopped", "tarqiq"),  # ٱلْبِرَّ
        ("2:177:2", "joined", "tafkhim"),
        ("103:1:1", "stopped", "tafkhim"),  # وَٱلْعَصْرِ
        ("11:41:6", "joined", "tarqiq"),  # مَجْر۪ىٰهَا
        ("89:5:6", "stopped", "tarqiq"),  # حِجْرٍ
        ("26:63:11", "joined", ""),  # فِرْقٍۢ: both ways
        ("78:21:4", "stopped", "tafkhim"),  # مِرْصَادًۭا: before a heavy letter without a kasrah
        ("89:4:3", "stopped", ""),  # يَسْرِ
        ("54:16:4", "stopped", ""),  # وَنُذُرِ
        ("97:1:5", "stopped", "tafkhim"),  # ٱلْقَدْرِ
    ],
)
def test_ra(lexicon: Lexicon, at: str, how: str, expected: str) -> None:
    weights = [rule for rule, letters in rules_of(lexicon, at, how, Family.WEIGHT) if letters[0] == "ر"]
    assert weights == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("at", "how", "setting"),
    [
        ("26:63:11", "joined", "ra_firq"),
        ("34:12:10", "stopped", "ra_qitr"),
        ("12:21:5", "stopped", "ra_misr"),
        ("10:87:8", "stopped", "ra_misr"),
        ("54:16:4", "stopped", "ra_nudhur"),
        ("89:4:3", "stopped", "ra_yasr"),
        ("20:77:6", "stopped", "ra_yasr"),
    ],
)
def test_a_ra_with_two_ways_has_the_weight_that_the_moshaf_chooses(
    lexicon: Lexicon, at: str, how: str, setting: str
) -> None:
    def weight(moshaf: Moshaf) -> list[str]:
        found = rules_of(lexicon, at, how, Family.WEIGHT, moshaf=moshaf)
        return [rule for rule, letters in found if letters[0] == "ر"]

    assert weight(ANY) == []
    assert weight(Moshaf.from_dict({setting: TAFKHIM})) == ["tafkhim"]
    assert weight(Moshaf.from_dict({setting: TARQIQ})) == ["tarqiq"]


@pytest.mark.parametrize(
    ("at", "how", "expected"),
    [
        ("1:1:2", "joined", ["tarqiq"]),  # after a kasrah
        ("1:1:2", "started", ["tafkhim"]),
        ("2:7:2", "joined", ["tafkhim"]),
        ("2:8:6", "joined", ["tarqiq"]),  # بِٱللَّهِ
        ("3:2:1", "joined", ["tafkhim"]),  # after the fatḥah of الٓمٓ
        ("10:59:19", "joined", ["tafkhim"]),  # ءَآللَّهُ
        ("3:26:2", "joined", ["tarqiq"]),  # قُلِ ٱللَّهُمَّ
        ("3:26:2", "started", ["tafkhim"]),
        ("62:11:16", "joined", []),  # ٱللَّهْوِ is another word
        ("2:14:3", "joined", []),  # ٱلَّذِينَ
    ],
)
def test_the_lam_of_allah(lexicon: Lexicon, at: str, how: str, expected: list[str]) -> None:
    found = rules_of(lexicon, at, how, Family.WEIGHT)
    assert [rule for rule, letters in found if letters[0] == "ل"] == expected


@pytest.mark.parametrize(
    ("at", "how", "expected"),
    [
        ("1:6:1", "started", [("hamzat_wasl", 0, 1)]),
        ("1:6:2", "joined", [("hamzat_wasl", 0, 0)]),
        ("18:1:11", "joined", [("sakt", 6, 6)]),
        ("18:1:11", "stopped", []),
        ("36:52:6", "joined", [("sakt", 9, 9)]),
        ("75:27:2", "joined", [("sakt", 2, 2)]),
        ("83:14:2", "joined", [("sakt", 2, 2)]),
        ("69:28:4", "joined", [("sakt", 7, 7)]),
        ("2:10:2", "stopped", []),  # قُلُوبِهِم ends the same way
        ("2:61:57", "stopped", []),
        ("2:16:3", "stopped", [("hamzat_wasl", 0, 0), ("waqf", 5, 5)]),  # ٱشْتَرَوُا۟
    ],
)
def test_stops_and_starts(lexicon: Lexicon, at: str, how: str, expected: list[tuple[str, int, int]]) -> None:
    _, found = tagged(lexicon, at, how)
    assert [(one.rule.value, one.first, one.last) for one in found if one.rule.family is Family.STOP] == expected


@pytest.mark.parametrize(
    ("at", "letters"),
    [
        ("1:1:4", "ِ"),
        ("112:1:4", "ٌ"),
        ("112:4:4", "ًا"),
        ("112:4:3", "ُۥ"),
        ("2:25:31", "ةٌۭ"),
        ("6:34:21", "ِى۟"),
        ("33:10:16", "ا۠"),
        ("76:4:4", "َا۟"),
    ],
)
def test_what_a_stop_changes(lexicon: Lexicon, at: str, letters: str) -> None:
    assert [spelled for rule, spelled in rules_of(lexicon, at, "stopped") if rule == "waqf"] == [letters]


def test_a_stop_gives_the_tanwin_of_fath_an_alif(lexicon: Lexicon) -> None:
    assert Rule.MADD_IWAD in {one.rule for one in tagged(lexicon, "78:6:4", "stopped")[1]}  # مِهَـٰدًۭا
    assert Rule.MADD_IWAD not in {one.rule for one in tagged(lexicon, "78:6:4")[1]}


def test_the_moshaf_changes_lengths_at_once(lexicon: Lexicon) -> None:
    def lengths(at: str, how: str, moshaf: Moshaf) -> list[tuple[float, float] | None]:
        return [one.counts for one in tagged(lexicon, at, how, moshaf)[1] if one.rule.family is Family.MADD]

    long = Moshaf(munfasil=5, muttasil=5, arid=4, leen=2, ain=6, mim_al_imran=2)
    assert lengths("2:19:11", "joined", ANY) == [(4, 4)]
    assert lengths("2:19:11", "joined", long) == [(5, 5)]
    assert lengths("1:2:4", "stopped", ANY) == [(2, 2), (2, 6)]
    assert lengths("1:2:4", "stopped", Moshaf(arid=6)) == [(2, 2), (6, 6)]
    assert lengths("2:255:2", "joined", ANY) == [(4, 4)]
    assert lengths("2:255:2", "joined", long) == [(5, 5)]
    assert lengths("2:255:37", "joined", long) == [(5, 5)]
    assert lengths("3:66:2", "joined", long) == [(5, 5), (5, 5)]
    assert lengths("3:66:2", "stopped", long) == [(5, 5), (5, 6)]
    assert lengths("3:66:2", "stopped", Moshaf(muttasil_waqf=6)) == [(4, 4), (6, 6)]
    assert lengths("1:7:9", "stopped", long) == [(6, 6), (4, 4)]
    assert lengths("104:1:1", "stopped", long) == [(2, 2)]
    assert lengths("42:2:1", "stopped", ANY) == [(4, 6), (6, 6), (6, 6)]
    assert lengths("42:2:1", "stopped", long) == [(6, 6), (6, 6), (6, 6)]
    assert lengths("3:1:1", "joined", long) == [(6, 6), (2, 2)]
    assert lengths("3:1:1", "stopped", long) == [(6, 6), (6, 6)]


def test_sakt_before_hamzah(lexicon: Lexicon) -> None:
    def sakts(at: str, setting: str) -> list[str]:
        found = rules_of(lexicon, at, "joined", Family.STOP, moshaf=Moshaf(sakin_before_hamzah=setting))
        return [letters for rule, letters in found if rule == "sakt"]

    for at in ("2:255:19", "2:255:36", "2:20:24", "2:185:6", "23:1:1"):
        assert sakts(at, "tahqiq") == []
    assert sakts("2:255:19", "local_sakt") == ["لْ"]  # ٱلْأَرْضِ
    assert sakts("2:20:24", "local_sakt") == ["ىْ"]  # شَىْءٍ
    assert sakts("23:1:1", "local_sakt") == ["دْ"]  # قَدْ أَفْلَحَ
    assert sakts("2:185:6", "local_sakt") == []  # ٱلْقُرْءَانُ
    assert sakts("2:185:6", "general_sakt") == ["رْ"]
    assert sakts("36:52:6", "tahqiq") == ["ا"]
    assert rules_of(lexicon, "36:52:6", "joined", Family.STOP, moshaf=Moshaf(sakt_marqadina="idraj")) == []
