"""A slip of a rule in words, Arabic and English: what was heard, and how to mend it."""

from dataclasses import dataclass

from recitation.explain import name_of
from recitation.letters import Said
from recitation.phones import IKHFA, IQLAB
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.verdict import Slip

Counts = tuple[float, float]


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """A slip in words."""

    what: Said
    fix: Said


_LENGTHS = (Slip.SHORT, Slip.LONG, Slip.UNEVEN)
_NASAL_LENGTHS = (Slip.SHORT, Slip.LONG, Slip.MISSING)
HELD = (
    Rule.IKHFA, Rule.IKHFA_SHAFAWI, Rule.IQLAB, Rule.IDGHAM_GHUNNAH, Rule.IDGHAM_SHAFAWI, Rule.IDGHAM_MUTAJANISAYN,
)  # fmt: skip
"""Rules whose sound is held with ghunnah, besides the doubled ن and م; ب into م among the mutajanisayn."""

SLIPS: dict[Rule, tuple[Slip, ...]] = {
    **{rule: _LENGTHS for rule in Rule if rule.family is Family.MADD},
    **{rule: (Slip.REPLACED,) for rule in Rule if rule.family is Family.NASAL},
    **{rule: (Slip.REPLACED, *_NASAL_LENGTHS) for rule in HELD},
    Rule.GHUNNAH: _NASAL_LENGTHS,
    Rule.QALQALAH_SUGHRA: (Slip.MISSING, Slip.VOWELLED),
    Rule.QALQALAH_KUBRA: (Slip.MISSING, Slip.VOWELLED),
    Rule.TAFKHIM: (Slip.LIGHT,),
    Rule.TARQIQ: (Slip.HEAVY,),
    Rule.HAMZAT_WASL: (),
    Rule.SAKT: (Slip.NO_PAUSE, Slip.BREATH),
    Rule.WAQF: (Slip.REPLACED, Slip.BROKEN),
}
"""How each rule can be broken."""


def explain_rule(
    rule: Rule,
    slip: Slip,
    heard: str | None = None,
    *,
    expected: Counts | None = None,
    measured: float | None = None,
) -> RuleExplanation:
    """Say how a rule was broken and how to keep it.

    ``heard``, ``expected`` and ``measured`` are those of the ``RuleVerdict``: a unit of the phonetic script, the least
    and most harakat, and the harakat measured; each may be None.  Raises ValueError when ``SLIPS`` does not know the
    slip of the rule.
    """
    if slip not in SLIPS[rule]:
        known = ", ".join(SLIPS[rule]) or "none"
        raise ValueError(f"{rule} cannot be broken by {slip!s}; what is known of it: {known}")
    if slip in _LENGTHS:
        return _length(rule, slip, expected, measured)
    if rule.family is Family.NASAL and slip is Slip.REPLACED:
        return RuleExplanation(_in_its_place(rule, heard), _NASAL_FIXES[rule])
    what, fix = _FIXED[rule.family, slip]
    if slip is Slip.BROKEN or not heard:
        return RuleExplanation(what, fix)
    sound = name_of(heard)
    return RuleExplanation(Said(f"{what.ar}، والمسموع {sound.ar}", f"{what.en}; {sound.en} was heard"), fix)


def _length(rule: Rule, slip: Slip, expected: Counts | None, measured: float | None) -> RuleExplanation:
    """A madd or a ghunnah of a wrong length."""
    madd = rule.family is Family.MADD
    name = rule.label
    if slip is Slip.UNEVEN:
        what = Said(f"لم يستوِ {name.ar} هنا مع نظائره في تلاوتك", f"this {name.en} is not as long as your others")
        return RuleExplanation(what, Said("سوِّ بين المدود التي من نوع واحد", "hold madds of one kind equally long"))
    held, its = (Said("المد", "the vowel"), "ه") if madd else (Said("الغنة", "the nasal sound"), "ها")
    short = slip is Slip.SHORT
    came = Said("قصُر" if short else "طال", "too short" if short else "too long")
    what = Said(f"{came.ar} {name.ar}", f"{name.en}: {held.en} was {came.en}")
    if not madd:
        of = name.ar if rule is Rule.GHUNNAH else f"الغنة في {name.ar}"
        what = Said(f"{came.ar}ت {of}", what.en)
    if measured is not None:
        what = Said(f"{what.ar}: سُمع بمقدار {_counts(measured).ar}", f"{what.en}, about {_counts(measured).en}")
    if expected is None:
        full = Said(f"أعطِ {held.ar} حقّ{its} من غير نقص", f"give {held.en} its full length")
        less = Said(f"لا تُطل {held.ar} إلى هذا الحد", f"do not hold {held.en} so long")
        return RuleExplanation(what, full if short else less)
    due = _range(expected)
    what = Said(f"{what.ar}، وحقّ{its} مقدار {due.ar}", f"{what.en}; {due.en} are due")
    if short:
        return RuleExplanation(what, Said(f"أطِل {held.ar} مقدار {due.ar}", f"hold {held.en} for {due.en}"))
    most = _counts(expected[1])
    return RuleExplanation(
        what, Said(f"لا تزد {held.ar} على مقدار {most.ar}", f"do not hold {held.en} longer than {most.en}")
    )


_NUMBERS = ("", "حركة", "حركتين", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع", "عشر")


def _counts(harakat: float) -> Said:
    """A length to half a count, in the genitive."""
    halves = max(1, round(harakat * 2))
    whole, half = divmod(halves, 2)
    if whole >= len(_NUMBERS):
        return Said("أكثر من عشر حركات", "more than 10 counts")
    number = f"{halves / 2:g} count" + ("" if halves <= 2 else "s")
    if not whole:
        return Said("نصف حركة", "half a count")
    name = _NUMBERS[whole] + (" حركات" if whole > 2 else "")
    return Said(name + (" ونصف" if half else ""), number)


def _range(counts: Counts) -> Said:
    """The harakat a moshaf allows."""
    least, most = counts
    if least == most:
        return _counts(least)
    first, last = _counts(least), _counts(most)
    return Said(f"{first.ar} إلى {last.ar}", f"{least:g} to {last.en}")


_SOUNDS = {
    "ن": Said("نون مظهرة", "a clear nūn"), "نن": Said("نون مظهرة", "a clear nūn"),
    "نننن": Said("نون بغنة", "nūn held with ghunnah"),
    "م": Said("ميم مظهرة", "a clear mīm"), "مم": Said("ميم مظهرة", "a clear mīm"),
    "مممم": Said("ميم بغنة", "mīm held with ghunnah"),
    IKHFA * 3: Said("نون مخفاة", "a hidden nūn"), IQLAB * 3: Said("ميم مخفاة", "a hidden mīm"),
}  # fmt: skip
"""What is heard where a nasal rule belongs."""


def _in_its_place(rule: Rule, heard: str | None) -> Said:
    """That another sound was heard where a nasal rule belongs."""
    name = rule.label
    if not heard:
        return Said(f"الحكم هنا {name.ar}، وسُمع غيره", f"{name.en} belongs here; something else was heard")
    sound = _SOUNDS.get(heard) or name_of(heard)
    return Said(f"الحكم هنا {name.ar}، والمسموع {sound.ar}", f"{name.en} belongs here; {sound.en} was heard")


_NASAL_FIXES = {
    Rule.IKHFA: Said(
        "أخفِ النون عند الحرف الذي يليها وأبقِ غنتها، ولا تُلصق طرف اللسان بمخرج النون",
        "hide the nūn towards the next letter and keep its nasal sound; the tip of the tongue does not close",
    ),
    Rule.IKHFA_SHAFAWI: Said(
        "أخفِ الميم عند الباء مع غنتها، من غير كزّ على الشفتين",
        "hide the mīm before the bāʾ and keep its nasal sound, the lips without pressure",
    ),
    Rule.IQLAB: Said(
        "اقلب النون ميمًا مخفاة عند الباء مع الغنة",
        "turn the nūn into a hidden mīm before the bāʾ, with its nasal sound",
    ),
    Rule.IZHAR: Said("أظهر النون من مخرجها من غير غنة زائدة", "say the nūn clearly, without holding the nasal sound"),
    Rule.IZHAR_SHAFAWI: Said(
        "أظهر الميم من الشفتين من غير غنة زائدة", "say the mīm clearly, without holding the nasal sound"
    ),
    Rule.IDGHAM_GHUNNAH: Said(
        "أدغم النون في الحرف الذي يليها وأبقِ الغنة", "merge the nūn into the next letter and keep the nasal sound"
    ),
    Rule.IDGHAM_NO_GHUNNAH: Said(
        "أدغم النون في الحرف الذي يليها إدغامًا كاملًا بلا غنة",
        "merge the nūn wholly into the next letter, without any nasal sound",
    ),
    Rule.IDGHAM_SHAFAWI: Said(
        "أدغم الميم في الميم التي تليها مع الغنة", "merge the mīm into the next mīm, with its nasal sound"
    ),
    Rule.IDGHAM_MITHLAYN: Said(
        "أدغم الحرف في مثله حتى يصيرا حرفًا واحدًا مشددًا", "merge the letter into its like: one doubled letter"
    ),
    Rule.IDGHAM_MUTAJANISAYN: Said(
        "أدغم الحرف الأول في الثاني، فمخرجهما واحد", "merge the first letter into the second: both have one place"
    ),
    Rule.IDGHAM_MUTAQARIBAYN: Said(
        "أدغم الحرف الأول في الثاني، فمخرجاهما متقاربان",
        "merge the first letter into the second: their places are near",
    ),
}

_GHUNNAH_MISSING = (
    Said("لم تُسمع الغنة", "the nasal sound (ghunnah) was not heard"),
    Said("أخرج الصوت من الخيشوم مقدار حركتين", "let the sound come through the nose for two counts"),
)
_FIXED: dict[tuple[Family, Slip], tuple[Said, Said]] = {
    (Family.GHUNNAH, Slip.MISSING): _GHUNNAH_MISSING,
    (Family.NASAL, Slip.MISSING): _GHUNNAH_MISSING,
    (Family.QALQALAH, Slip.MISSING): (
        Said("لم تُسمع القلقلة", "the qalqalah was not heard"),
        Said("أخرج الحرف الساكن بنبرة قوية من غير حركة", "release the letter with a firm bounce, without a vowel"),
    ),
    (Family.QALQALAH, Slip.VOWELLED): (
        Said("صارت القلقلة حركة", "the qalqalah became a vowel"),
        Said("أبقِ الحرف ساكنًا، والقلقلة نبرة قصيرة لا حركة", "keep the letter without a vowel: the bounce is short"),
    ),
    (Family.WEIGHT, Slip.LIGHT): (
        Said("حق الحرف هنا التفخيم لا الترقيق", "the letter is heavy here, not light"),
        Said("ارفع أقصى اللسان إلى الحنك حتى يمتلئ الفم بصدى الحرف",
             "raise the back of the tongue so that the mouth fills with the sound"),
    ),
    (Family.WEIGHT, Slip.HEAVY): (
        Said("حق الحرف هنا الترقيق لا التفخيم", "the letter is light here, not heavy"),
        Said("اخفض اللسان ورقّق صوت الحرف", "keep the tongue low and the sound thin"),
    ),
    (Family.STOP, Slip.NO_PAUSE): (
        Said("وُصلت الكلمة بلا سكت", "the words were joined without the sakt"),
        Said("اسكت سكتة لطيفة مقدار حركتين من غير تنفس، ثم صِل",
             "hold the voice for about two counts without a breath, then go on"),
    ),
    (Family.STOP, Slip.BREATH): (
        Said("وقفت وتنفست في موضع السكت", "you stopped and took a breath where a sakt belongs"),
        Said("اقطع الصوت قليلًا من غير تنفس، ثم صِل", "hold the voice for a moment without a breath, then go on"),
    ),
    (Family.STOP, Slip.BROKEN): (
        Said("وقفت في وسط الكلمة", "you stopped within the word"),
        Said("أعد الكلمة من أولها وصِلها، وقف على آخرها", "begin the word again and stop only at its end"),
    ),
    (Family.STOP, Slip.REPLACED): (
        Said("وقفت على الكلمة بلفظ الوصل", "you stopped at the word as if it were joined to the next"),
        Said("قف على آخر الكلمة بالسكون", "stop with the last letter at rest, without its vowel"),
    ),
}  # fmt: skip
