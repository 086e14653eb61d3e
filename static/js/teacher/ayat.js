/**
 * Texts of ayat for the tiles, fetched once each.
 *
 * @typedef {import("../messages.js").TextWord} TextWord
 */
import { fetchPassage } from "../passage.js";

const KEPT = 200;

export class Ayat {
  /** @param {() => void} oncome a text that was asked for has come */
  constructor(oncome) {
    this.oncome = oncome;
    /** @type {Map<string, TextWord[]|null>} null while it is fetched */
    this.texts = new Map();
  }

  /** @param {string} at a word's address @returns {TextWord[]} words of its ayah, none while it is fetched */
  of(at) {
    const ayah = at.split(":").slice(0, 2).join(":");
    const kept = this.texts.get(ayah);
    if (kept === undefined) void this.#fetch(ayah);
    return kept ?? [];
  }

  /** @param {string} at @returns {string} the word's text, empty while it is fetched */
  word(at) {
    return this.of(at).find((word) => word.at === at)?.text ?? "";
  }

  /** @param {string} ayah */
  async #fetch(ayah) {
    this.texts.set(ayah, null);
    for (const oldest of this.texts.keys()) {
      if (this.texts.size <= KEPT) break;
      this.texts.delete(oldest);
    }
    try {
      this.texts.set(ayah, (await fetchPassage(ayah)).words);
      this.oncome();
    } catch {
      // Asked for again when the tile is drawn the next time.
      this.texts.delete(ayah);
    }
  }
}

/**
 * The part of an ayah that is shown on a tile.
 * @template T
 * @param {readonly T[]} words @param {number} here index @param {number} around
 * @returns {{words: readonly T[], here: number, before: boolean, after: boolean}} `before`, `after`: some were left out
 */
export function excerpt(words, here, around) {
  const most = 2 * around + 1;
  const from = Math.max(0, Math.min(here - around, words.length - most));
  const to = Math.min(words.length, from + most);
  return { words: words.slice(from, to), here: here - from, before: from > 0, after: to < words.length };
}
