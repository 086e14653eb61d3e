/**
 * Names of the units of the Quran Phonetic Script, for readers of Arabic and of English.
 *
 * A unit is a letter, a letter doubled (geminate), a letter three or four times (held with ghunnah), a short vowel,
 * a madd vowel twice, or one of a few marks of its own.
 */

/** @type {Readonly<Record<string, readonly [ar: string, en: string]>>} */
const LETTERS = {
  ء: ["همزة", "hamzah"],
  ب: ["باء", "bāʾ"],
  ت: ["تاء", "tāʾ"],
  ث: ["ثاء", "thāʾ"],
  ج: ["جيم", "jīm"],
  ح: ["حاء", "ḥāʾ"],
  خ: ["خاء", "khāʾ"],
  د: ["دال", "dāl"],
  ذ: ["ذال", "dhāl"],
  ر: ["راء", "rāʾ"],
  ز: ["زاي", "zāy"],
  س: ["سين", "sīn"],
  ش: ["شين", "shīn"],
  ص: ["صاد", "ṣād"],
  ض: ["ضاد", "ḍād"],
  ط: ["طاء", "ṭāʾ"],
  ظ: ["ظاء", "ẓāʾ"],
  ع: ["عين", "ʿayn"],
  غ: ["غين", "ghayn"],
  ف: ["فاء", "fāʾ"],
  ق: ["قاف", "qāf"],
  ك: ["كاف", "kāf"],
  ل: ["لام", "lām"],
  م: ["ميم", "mīm"],
  ن: ["نون", "nūn"],
  ه: ["هاء", "hāʾ"],
  و: ["واو", "wāw"],
  ي: ["ياء", "yāʾ"],
};

/** @type {Readonly<Record<string, readonly [ar: string, en: string, sign: string]>>} */
const MARKS = {
  "\u064e": ["فتحة", "fatḥah", "ـَ"],
  "\u064f": ["ضمة", "ḍammah", "ـُ"],
  "\u0650": ["كسرة", "kasrah", "ـِ"],
  ا: ["مدّ بالألف", "long ā", "ا"],
  "\u06e5": ["مدّ بالواو", "long ū", "و"],
  "\u06e6": ["مدّ بالياء", "long ī", "ي"],
  ـ: ["مدّ ممال", "long, leaning to ē", "ى"],
  "\u06ea": ["إمالة", "imālah", "ى"],
  ڇ: ["قلقلة", "qalqalah", "ڇ"],
  ں: ["إخفاء النون", "hidden nūn (ikhfāʾ)", "ن"],
  "\u06fe": ["إقلاب إلى ميم", "nūn turned to mīm (iqlāb)", "م"],
  "\u0672": ["همزة مسهّلة", "softened hamzah", "أ"],
};

/** What a competitor is called when nothing at all was heard in the place. */
const SILENCE = new Set(["", "∅", "-", "<eps>"]);

/** @param {string} unit @returns {boolean} */
export function isSilence(unit) {
  return SILENCE.has(unit);
}

/** @param {string} unit @returns {string} how the unit is drawn on a small tile */
export function signOf(unit) {
  if (isSilence(unit)) return "∅";
  const mark = MARKS[unit[0]];
  if (mark) return mark[2];
  return unit.length > 1 ? `${unit[0]}ّ` : unit[0];
}

/** @param {string} unit @param {"ar"|"en"} lang @returns {string} */
export function nameOf(unit, lang) {
  if (isSilence(unit)) return lang === "ar" ? "لم يُسمع شيء" : "nothing heard";
  const mark = MARKS[unit[0]];
  if (mark) return lang === "ar" ? mark[0] : mark[1];
  const letter = LETTERS[unit[0]];
  if (!letter) return unit;
  const [ar, en] = letter;
  if (unit.length === 1) return lang === "ar" ? ar : en;
  if (unit.length === 2) return lang === "ar" ? `${ar} مشدّدة` : `doubled ${en}`;
  return lang === "ar" ? `${ar} بغنّة` : `${en} with ghunnah`;
}
