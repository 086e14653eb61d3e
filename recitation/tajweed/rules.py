"""The rules of tajweed the tagger knows, and what it says of each place where one holds."""

from dataclasses import dataclass
from enum import StrEnum

from recitation.letters import Said


class Rule(StrEnum):
    """A rule of recitation.  ``docs/tajweed-rules.md`` defines each and says how it is found."""

    MADD_TABII = "madd_tabii"
    MADD_BADAL = "madd_badal"
    MADD_IWAD = "madd_iwad"
    MADD_SILAH_SUGHRA = "madd_silah_sughra"
    MADD_MUNFASIL = "madd_munfasil"
    MADD_SILAH_KUBRA = "madd_silah_kubra"
    MADD_MUTTASIL = "madd_muttasil"
    MADD_LAZIM = "madd_lazim"
    MADD_ARID = "madd_arid"
    MADD_LEEN = "madd_leen"
    GHUNNAH = "ghunnah"
    IDGHAM_GHUNNAH = "idgham_ghunnah"
    IDGHAM_NO_GHUNNAH = "idgham_no_ghunnah"
    IDGHAM_MITHLAYN = "idgham_mithlayn"
    IDGHAM_MUTAJANISAYN = "idgham_mutajanisayn"
    IDGHAM_MUTAQARIBAYN = "idgham_mutaqaribayn"
    IDGHAM_SHAFAWI = "idgham_shafawi"
    IKHFA = "ikhfa"
    IKHFA_SHAFAWI = "ikhfa_shafawi"
    IQLAB = "iqlab"
    IZHAR = "izhar"
    IZHAR_SHAFAWI = "izhar_shafawi"
    QALQALAH_SUGHRA = "qalqalah_sughra"
    QALQALAH_KUBRA = "qalqalah_kubra"
    TAFKHIM = "tafkhim"
    TARQIQ = "tarqiq"
    HAMZAT_WASL = "hamzat_wasl"
    SAKT = "sakt"
    WAQF = "waqf"

    @property
    def family(self) -> "Family":
        """The family whose evidence in the sound it shares."""
        return _FAMILIES[self]

    @property
    def label(self) -> Said:
        """Its name in Arabic and English."""
        return _LABELS[self]


class Family(StrEnum):
    """Rules that are heard by the same evidence."""

    MADD = "madd"
    GHUNNAH = "ghunnah"
    NASAL = "nasal"
    """What becomes of ن, of tanwin and of م without a vowel, and every other idgham."""
    QALQALAH = "qalqalah"
    WEIGHT = "weight"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Instance:
    """One place where a rule holds."""

    rule: Rule
    first: int
    """First and last phone of it, indices into the form recited.

    What idgham makes of a word's last letter sounds at the begin of the word after: ``first == last == len(form)``,
    the first phone of the word after, which names no further rule of its own.
    """
    last: int
    letters: tuple[int, int]
    """First and last character of the word's Uthmani text that the rule is about."""
    counts: tuple[float, float] | None = None
    """Least and most harakat the moshaf allows; None where length is no part of the rule."""


_LABELS: dict[Rule, Said] = {
    Rule.MADD_TABII: Said("المد الطبيعي", "natural madd"),
    Rule.MADD_BADAL: Said("مد البدل", "madd badal"),
    Rule.MADD_IWAD: Said("مد العوض", "madd ʿiwaḍ"),
    Rule.MADD_SILAH_SUGHRA: Said("مد الصلة الصغرى", "lesser madd of ṣilah"),
    Rule.MADD_MUNFASIL: Said("المد المنفصل", "separated madd (munfaṣil)"),
    Rule.MADD_SILAH_KUBRA: Said("مد الصلة الكبرى", "greater madd of ṣilah"),
    Rule.MADD_MUTTASIL: Said("المد المتصل", "connected madd (muttaṣil)"),
    Rule.MADD_LAZIM: Said("المد اللازم", "necessary madd (lāzim)"),
    Rule.MADD_ARID: Said("المد العارض للسكون", "madd before a stop (ʿāriḍ)"),
    Rule.MADD_LEEN: Said("مد اللين", "madd līn"),
    Rule.GHUNNAH: Said("غنة النون والميم المشددتين", "ghunnah of doubled nūn and mīm"),
    Rule.IDGHAM_GHUNNAH: Said("الإدغام بغنة", "idghām with ghunnah"),
    Rule.IDGHAM_NO_GHUNNAH: Said("الإدغام بغير غنة", "idghām without ghunnah"),
    Rule.IDGHAM_MITHLAYN: Said("إدغام المثلين", "idghām of two alike"),
    Rule.IDGHAM_MUTAJANISAYN: Said("إدغام المتجانسين", "idghām of two of one place"),
    Rule.IDGHAM_MUTAQARIBAYN: Said("إدغام المتقاربين", "idghām of two near ones"),
    Rule.IDGHAM_SHAFAWI: Said("الإدغام الشفوي", "idghām of mīm"),
    Rule.IKHFA: Said("الإخفاء الحقيقي", "ikhfāʾ"),
    Rule.IKHFA_SHAFAWI: Said("الإخفاء الشفوي", "ikhfāʾ of mīm"),
    Rule.IQLAB: Said("الإقلاب", "iqlāb"),
    Rule.IZHAR: Said("الإظهار", "iẓhār"),
    Rule.IZHAR_SHAFAWI: Said("الإظهار الشفوي", "iẓhār of mīm"),
    Rule.QALQALAH_SUGHRA: Said("القلقلة الصغرى", "lesser qalqalah"),
    Rule.QALQALAH_KUBRA: Said("القلقلة الكبرى", "greater qalqalah"),
    Rule.TAFKHIM: Said("التفخيم", "tafkhīm (heavy)"),
    Rule.TARQIQ: Said("الترقيق", "tarqīq (light)"),
    Rule.HAMZAT_WASL: Said("همزة الوصل", "hamzat al-waṣl"),
    Rule.SAKT: Said("السكت", "sakt"),
    Rule.WAQF: Said("الوقف", "waqf"),
}

_FAMILIES: dict[Rule, Family] = {
    **{rule: Family.MADD for rule in Rule if rule.startswith("madd")},
    **{rule: Family.NASAL for rule in Rule if rule.startswith(("idgham", "ikhfa", "iqlab", "izhar"))},
    Rule.GHUNNAH: Family.GHUNNAH,
    Rule.QALQALAH_SUGHRA: Family.QALQALAH,
    Rule.QALQALAH_KUBRA: Family.QALQALAH,
    Rule.TAFKHIM: Family.WEIGHT,
    Rule.TARQIQ: Family.WEIGHT,
    Rule.HAMZAT_WASL: Family.STOP,
    Rule.SAKT: Family.STOP,
    Rule.WAQF: Family.STOP,
}
