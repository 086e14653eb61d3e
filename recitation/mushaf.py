"""Addresses in the Quran: surahs, ayat and words, and the strings people write for them."""

import re
from dataclasses import dataclass

AYAT_PER_SURAH = (
    7, 286, 200, 176, 120, 165, 206, 75, 129, 109, 123, 111, 43, 52, 99, 128, 111, 110, 98, 135, 112, 78, 118, 64,
    77, 227, 93, 88, 69, 60, 34, 30, 73, 54, 45, 83, 182, 88, 75, 85, 54, 53, 89, 59, 37, 35, 38, 29, 18, 45, 60,
    49, 62, 55, 78, 96, 29, 22, 24, 13, 14, 11, 11, 18, 12, 12, 30, 52, 52, 44, 28, 28, 20, 56, 40, 31, 50, 40, 46,
    42, 29, 19, 36, 25, 22, 17, 19, 26, 30, 20, 15, 21, 11, 8, 8, 19, 5, 8, 8, 11, 11, 8, 3, 9, 5, 4, 7, 3, 6, 3,
    5, 4, 5, 6,
)  # fmt: skip
"""Number of ayat of surah n + 1, Hafs (Kufan) count: 6,236 in all."""

SURAH_NAMES: tuple[tuple[str, str], ...] = tuple(
    (arabic, latin)
    for arabic, latin in (
        line.split("|")
        for line in """\
الفاتحة|Al-Fatihah
البقرة|Al-Baqarah
آل عمران|Aal Imran
النساء|An-Nisa
المائدة|Al-Ma'idah
الأنعام|Al-An'am
الأعراف|Al-A'raf
الأنفال|Al-Anfal
التوبة|At-Tawbah
يونس|Yunus
هود|Hud
يوسف|Yusuf
الرعد|Ar-Ra'd
إبراهيم|Ibrahim
الحجر|Al-Hijr
النحل|An-Nahl
الإسراء|Al-Isra
الكهف|Al-Kahf
مريم|Maryam
طه|Ta-Ha
الأنبياء|Al-Anbiya
الحج|Al-Hajj
المؤمنون|Al-Mu'minun
النور|An-Nur
الفرقان|Al-Furqan
الشعراء|Ash-Shu'ara
النمل|An-Naml
القصص|Al-Qasas
العنكبوت|Al-Ankabut
الروم|Ar-Rum
لقمان|Luqman
السجدة|As-Sajdah
الأحزاب|Al-Ahzab
سبأ|Saba
فاطر|Fatir
يس|Ya-Sin
الصافات|As-Saffat
ص|Sad
الزمر|Az-Zumar
غافر|Ghafir
فصلت|Fussilat
الشورى|Ash-Shura
الزخرف|Az-Zukhruf
الدخان|Ad-Dukhan
الجاثية|Al-Jathiyah
الأحقاف|Al-Ahqaf
محمد|Muhammad
الفتح|Al-Fath
الحجرات|Al-Hujurat
ق|Qaf
الذاريات|Adh-Dhariyat
الطور|At-Tur
النجم|An-Najm
القمر|Al-Qamar
الرحمن|Ar-Rahman
الواقعة|Al-Waqi'ah
الحديد|Al-Hadid
المجادلة|Al-Mujadilah
الحشر|Al-Hashr
الممتحنة|Al-Mumtahanah
الصف|As-Saff
الجمعة|Al-Jumu'ah
المنافقون|Al-Munafiqun
التغابن|At-Taghabun
الطلاق|At-Talaq
التحريم|At-Tahrim
الملك|Al-Mulk
القلم|Al-Qalam
الحاقة|Al-Haqqah
المعارج|Al-Ma'arij
نوح|Nuh
الجن|Al-Jinn
المزمل|Al-Muzzammil
المدثر|Al-Muddaththir
القيامة|Al-Qiyamah
الإنسان|Al-Insan
المرسلات|Al-Mursalat
النبأ|An-Naba
النازعات|An-Nazi'at
عبس|Abasa
التكوير|At-Takwir
الانفطار|Al-Infitar
المطففين|Al-Mutaffifin
الانشقاق|Al-Inshiqaq
البروج|Al-Buruj
الطارق|At-Tariq
الأعلى|Al-A'la
الغاشية|Al-Ghashiyah
الفجر|Al-Fajr
البلد|Al-Balad
الشمس|Ash-Shams
الليل|Al-Layl
الضحى|Ad-Duha
الشرح|Ash-Sharh
التين|At-Tin
العلق|Al-Alaq
القدر|Al-Qadr
البينة|Al-Bayyinah
الزلزلة|Az-Zalzalah
العاديات|Al-Adiyat
القارعة|Al-Qari'ah
التكاثر|At-Takathur
العصر|Al-Asr
الهمزة|Al-Humazah
الفيل|Al-Fil
قريش|Quraysh
الماعون|Al-Ma'un
الكوثر|Al-Kawthar
الكافرون|Al-Kafirun
النصر|An-Nasr
المسد|Al-Masad
الإخلاص|Al-Ikhlas
الفلق|Al-Falaq
الناس|An-Nas
""".splitlines()
    )
)
"""(Arabic, Latin) name of surah n + 1."""

_FIRST_AYAH = tuple(sum(AYAT_PER_SURAH[:n]) for n in range(len(AYAT_PER_SURAH)))
AYAT_TOTAL = sum(AYAT_PER_SURAH)

_REFERENCE = re.compile(
    r"(?P<surah>\d{1,3})(?::(?P<first>\d{1,3})(?:-(?P<last>\d{1,3})|:(?P<word>\d{1,3}))?)?", re.ASCII
)
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")


class AddressError(ValueError):
    """The address names no place in the Quran."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A stretch of one surah: ``first`` to ``last`` ayah, or a single word when ``word`` is set."""

    surah: int
    first: int
    last: int
    word: int | None = None
    """One-based word of ayah ``first``; its upper bound is known to the lexicon, not here."""

    @property
    def ayat(self) -> range:
        """The ayat covered, one-based."""
        return range(self.first, self.last + 1)

    def __str__(self) -> str:
        if self.word is not None:
            return f"{self.surah}:{self.first}:{self.word}"
        if self.first == 1 and self.last == AYAT_PER_SURAH[self.surah - 1]:
            return str(self.surah)
        return f"{self.surah}:{self.first}" + (f"-{self.last}" if self.last != self.first else "")


def parse_reference(text: str) -> Reference:
    """Read ``2:255``, ``1:1-7``, ``112`` or ``2:255:3``; Arabic-Indic digits are accepted.

    Raises AddressError naming what was wrong and what would be right.
    """
    match = _REFERENCE.fullmatch(text.strip().translate(_DIGITS))
    if match is None:
        raise AddressError(f"{text!r} is not an address: write 112, 2:255, 1:1-7 or 2:255:3")
    surah = int(match["surah"])
    if not 1 <= surah <= len(AYAT_PER_SURAH):
        raise AddressError(f"there is no surah {surah}: surahs run from 1 to {len(AYAT_PER_SURAH)}")
    ayat = AYAT_PER_SURAH[surah - 1]
    first = int(match["first"] or 1)
    last = int(match["last"] or (first if match["first"] else ayat))
    for ayah in (first, last):
        if not 1 <= ayah <= ayat:
            raise AddressError(f"there is no ayah {surah}:{ayah}: surah {surah} has {ayat} ayat")
    if last < first:
        raise AddressError(f"{text!r} runs backwards: write {surah}:{last}-{first}")
    word = int(match["word"]) if match["word"] else None
    if word == 0:
        raise AddressError(f"{text!r}: words count from 1")
    return Reference(surah, first, last, word)


def ayah_index(surah: int, ayah: int) -> int:
    """Zero-based index of an ayah among the 6,236 of the mushaf."""
    return _FIRST_AYAH[surah - 1] + ayah - 1


def ayah_address(index: int) -> tuple[int, int]:
    """Inverse of ayah_index: (surah, ayah), both one-based."""
    if not 0 <= index < AYAT_TOTAL:
        raise AddressError(f"there is no ayah number {index}")
    surah = next(n for n in range(len(_FIRST_AYAH), 0, -1) if _FIRST_AYAH[n - 1] <= index)
    return surah, index - _FIRST_AYAH[surah - 1] + 1
