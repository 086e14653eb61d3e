/**
 * Passages: references, and what the server knows about them.
 *
 * @typedef {import("./messages.js").Surah} Surah
 * @typedef {import("./messages.js").Passage} Passage
 * @typedef {import("./messages.js").Sample} Sample
 * @typedef {{surah: number, first: number, last: number}} Range whole surah when `last` is 0
 */

/** The server's own words for what was wrong with a request. */
export class ApiError extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.name = "ApiError";
    this.status = status;
  }
}

/** @returns {Promise<Surah[]>} */
export const fetchSurahs = () => get("/api/surahs");

/** @param {string} ref @returns {Promise<Passage>} */
export const fetchPassage = (ref) => get(`/api/verses?ref=${encodeURIComponent(ref)}`);

/** @returns {Promise<Sample[]>} */
export const fetchSamples = () => get("/api/samples");

/** @param {string} url @returns {Promise<any>} */
async function get(url) {
  const response = await fetch(url);
  if (response.ok) return response.json();
  const body = await response.json().catch(() => ({}));
  throw new ApiError(response.status, body.error ?? `HTTP ${response.status}`);
}

/** @param {string} text such as 112, 2:255 or 1:1-7, in any digits @returns {Range|null} */
export function parseRef(text) {
  const found = westernDigits(text.trim()).match(/^(\d{1,3})(?::(\d{1,3})(?:-(\d{1,3}))?)?$/);
  if (!found) return null;
  const surah = Number(found[1]);
  const first = Number(found[2] ?? 1);
  const last = Number(found[3] ?? found[2] ?? 0);
  if (surah < 1 || surah > 114 || first < 1 || (last !== 0 && last < first)) return null;
  return { surah, first, last };
}

/** @param {Range} range @param {number} ayat in that surah @returns {string} */
export function formatRef({ surah, first, last }, ayat) {
  const end = last || ayat;
  if (first === 1 && end === ayat) return `${surah}`;
  return first === end ? `${surah}:${first}` : `${surah}:${first}-${end}`;
}

/** @param {string} at surah:ayah:word @returns {[surah: number, ayah: number, word: number]} */
export function splitAddress(at) {
  const [surah, ayah, word] = at.split(":");
  return [Number(surah), Number(ayah), Number(word)];
}

/** @param {string} text */
export function westernDigits(text) {
  return text.replace(/[٠-٩]/g, (digit) => String(digit.charCodeAt(0) - 0x660));
}

/**
 * Spelling reduced to what people type: no marks, one alef, one ya, Latin without accents, hyphens or article.
 * @param {string} text
 */
export function searchKey(text) {
  return westernDigits(text)
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[أإآٱ]/g, "ا")
    .replace(/ى/g, "ي")
    .replace(/ة/g, "ه")
    .replace(/ـ/g, "")
    .replace(/^(surat|surah|سوره)\s+/, "")
    .replace(/^(a[ltndrsz]|adh|ash|ath)-/, "")
    .replace(/^ال/, "")
    .replace(/[\s'’ʿʾ-]/g, "");
}

/** @param {readonly Surah[]} surahs @param {string} query @returns {Surah[]} */
export function searchSurahs(surahs, query) {
  const range = parseRef(query);
  if (range) return surahs.filter((surah) => surah.surah === range.surah);
  const key = searchKey(query);
  if (!key) return [...surahs];
  const spelled = key.replace(/^al/, "");
  return surahs.filter(({ name, latin }) => {
    const keys = [searchKey(name), searchKey(latin)];
    return keys.some((own) => own.includes(key) || (spelled !== "" && own.includes(spelled)));
  });
}
