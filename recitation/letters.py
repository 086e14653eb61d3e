"""What tells the letters apart: names, places of articulation (makhārij) and traits (sifāt), in Arabic and English.

The seventeen places and the opposed traits follow Ibn al-Jazarī's *Muqaddimah*, as taught for Hafs; a test compares the
traits with those that quran-transcript gives each phone of the lexicon.
"""

from dataclasses import dataclass

from recitation.phones import CONSONANTS


@dataclass(frozen=True, slots=True)
class Said:
    """Something in both languages of the page."""

    ar: str
    en: str


NAMES: dict[str, Said] = {
    letter: Said(ar, en)
    for letter, ar, en in (
        ("ء", "الهمزة", "hamzah"), ("ب", "الباء", "bāʾ"), ("ت", "التاء", "tāʾ"), ("ث", "الثاء", "thāʾ"),
        ("ج", "الجيم", "jīm"), ("ح", "الحاء", "ḥāʾ"), ("خ", "الخاء", "khāʾ"), ("د", "الدال", "dāl"),
        ("ذ", "الذال", "dhāl"), ("ر", "الراء", "rāʾ"), ("ز", "الزاي", "zāy"), ("س", "السين", "sīn"),
        ("ش", "الشين", "shīn"), ("ص", "الصاد", "ṣād"), ("ض", "الضاد", "ḍād"), ("ط", "الطاء", "ṭāʾ"),
        ("ظ", "الظاء", "ẓāʾ"), ("ع", "العين", "ʿayn"), ("غ", "الغين", "ghayn"), ("ف", "الفاء", "fāʾ"),
        ("ق", "القاف", "qāf"), ("ك", "الكاف", "kāf"), ("ل", "اللام", "lām"), ("م", "الميم", "mīm"),
        ("ن", "النون", "nūn"), ("ه", "الهاء", "hāʾ"), ("و", "الواو", "wāw"), ("ي", "الياء", "yāʾ"),
        ("َ", "الفتحة", "fatḥah"), ("ُ", "الضمة", "ḍammah"), ("ِ", "الكسرة", "kasrah"),
        ("ا", "الألف المدّية", "long ā"), ("ۥ", "الواو المدّية", "long ū"), ("ۦ", "الياء المدّية", "long ī"),
        ("ـ", "الألف الممالة", "long ē"), ("۪", "الإمالة", "imālah"), ("ٲ", "الهمزة المسهّلة", "softened hamzah"),
        ("ڇ", "القلقلة", "qalqalah"), ("ں", "النون المخفاة", "hidden nūn"),
        ("۾", "الميم المقلوبة", "nūn turned to mīm"),
    )
}  # fmt: skip
"""Names of letters and marks by the symbol of the phonetic script."""

_PLACES = (
    ("ءه", "أقصى الحلق", "the deepest part of the throat"),
    ("عح", "وسط الحلق", "the middle of the throat"),
    ("غخ", "أدنى الحلق إلى الفم", "the part of the throat nearest to the mouth"),
    ("ق", "أقصى اللسان مع الحنك اللحمي", "the very back of the tongue against the soft palate"),
    ("ك", "أقصى اللسان أسفل من القاف", "the back of the tongue, a little before the place of qāf"),
    ("جشي", "وسط اللسان مع الحنك الأعلى", "the middle of the tongue against the roof of the mouth"),
    ("ض", "حافة اللسان مع الأضراس العليا", "the side of the tongue against the upper molars"),
    ("ل", "حافة اللسان الأمامية مع لثة الثنايا العليا", "the front edge of the tongue against the upper gums"),
    ("ن", "طرف اللسان مع لثة الثنايا العليا", "the tip of the tongue against the upper gums, the sound in the nose"),
    ("ر", "ظهر طرف اللسان مع لثة الثنايا العليا", "the top of the tip of the tongue near the upper gums"),
    ("طدت", "طرف اللسان مع أصول الثنايا العليا", "the tip of the tongue against the roots of the upper front teeth"),
    ("صزس", "طرف اللسان فوق الثنايا السفلى", "the tip of the tongue just above the lower front teeth"),
    ("ظذث", "طرف اللسان مع أطراف الثنايا العليا", "the tip of the tongue at the edges of the upper front teeth"),
    ("ف", "باطن الشفة السفلى مع أطراف الثنايا العليا", "the inner lower lip against the edges of the upper teeth"),
    ("بم", "الشفتان منطبقتين", "both lips, closed"),
    ("و", "الشفتان مضمومتين", "both lips, rounded"),
)

PLACES: dict[str, Said] = {letter: Said(ar, en) for letters, ar, en in _PLACES for letter in letters}
"""Where each consonant is made."""

HAMS, SHIDDAH, BETWEEN = "فحثهشخصسكت", "ءجدقطبكت", "لنعمر"
ISTILA, ITBAQ = "خصضغطقظ", "صضطظ"


@dataclass(frozen=True, slots=True)
class Trait:
    """A way of saying a letter, and how to come to it."""

    key: str
    name: Said
    fix: Said


_TRAITS = {
    key: Trait(key, Said(ar, en), Said(fix_ar, fix_en))
    for key, ar, en, fix_ar, fix_en in (
        ("jahr", "الجهر", "jahr (voice)", "أظهر الصوت واحبس النَّفَس", "let the voice sound and hold the breath"),
        ("hams", "الهمس", "hams (breath)", "أجرِ النَّفَس معه", "let the breath flow with it"),
        ("shiddah", "الشدة", "shiddah (a full stop)", "احبس الصوت عند المخرج", "stop the sound fully at its place"),
        ("tawassut", "التوسط", "tawassuṭ (half held)", "لا تحبس الصوت ولا تجرِه", "neither stop nor let it run"),
        ("rakhawah", "الرخاوة", "rakhāwah (running sound)", "أجرِ الصوت معه", "let the sound run on"),
        ("istila", "الاستعلاء", "istiʿlāʾ (heavy)", "ارفع أقصى اللسان وفخّم الحرف", "raise the back of the tongue"),
        ("istifal", "الاستفال", "istifāl (light)", "اخفض اللسان ورقّق الحرف", "keep the tongue low: light"),
        ("itbaq", "الإطباق", "iṭbāq (tongue pressed up)", "ألصق اللسان بالحنك الأعلى وفخّم",
         "press the tongue to the palate: the letter is very heavy"),
        ("infitah", "الانفتاح", "infitāḥ (tongue apart)", "افتح ما بين اللسان والحنك",
         "keep the tongue away from the palate"),
        ("safeer", "الصفير", "ṣafīr (whistling)", "أخرج صفيرًا بين الثنايا", "let it whistle between the teeth"),
        ("ghunnah", "الغنة", "ghunnah (nasal)", "أخرج الصوت من الخيشوم", "let the sound come through the nose"),
        ("takrar", "التكرير", "takrār (a light tap)", "اطرق بطرف اللسان طرقة واحدة",
         "tap once with the tip of the tongue"),
        ("tafashshi", "التفشي", "tafashshī (spreading)", "انشر الهواء في الفم", "let the air spread in the mouth"),
        ("istitalah", "الاستطالة", "istiṭālah (lengthened place)", "امدد الصوت على حافة اللسان",
         "let the sound run along the side of the tongue"),
    )
}  # fmt: skip
_OWN = (("صزس", "safeer"), ("نم", "ghunnah"), ("ر", "takrar"), ("ش", "tafashshi"), ("ض", "istitalah"))
"""Traits that only some letters have, and that have no opposite."""


def traits_of(letter: str) -> tuple[Trait, ...]:
    """Traits of a consonant, the most telling first.  Raises KeyError for what is no consonant."""
    if letter not in CONSONANTS:
        raise KeyError(letter)
    keys = (
        "itbaq" if letter in ITBAQ else "infitah",
        "istila" if letter in ISTILA else "istifal",
        "hams" if letter in HAMS else "jahr",
        "shiddah" if letter in SHIDDAH else "tawassut" if letter in BETWEEN else "rakhawah",
        *(key for letters, key in _OWN if letter in letters),
    )
    return tuple(_TRAITS[key] for key in keys)


def differing_traits(letter: str, other: str) -> tuple[tuple[Trait, ...], tuple[Trait, ...]]:
    """Traits that each of two consonants has and the other has not."""
    ours, theirs = traits_of(letter), traits_of(other)
    return tuple(t for t in ours if t not in theirs), tuple(t for t in theirs if t not in ours)
