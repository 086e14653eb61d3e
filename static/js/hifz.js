/**
 * Reciting from memory: which words are hidden, and what help was given.  No DOM and no clock but the session's samples.
 *
 * A word is hidden until it has a verdict, whatever that is.  A hint shows the first letters of the next hidden word, a
 * second one the whole word; one comes by itself after a long silence in which the reciter is waited for.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {"open"|"letters"|"hidden"} Veil how much of a word is seen
 */
import { SAMPLE_HZ } from "./messages.js";

/** Silence after which a hint comes by itself.  A breath between two ayat takes two seconds at most. */
export const SILENCE_S = 6;

const LETTERS = 1;
const WORD = 2;

export class Hifz {
  constructor() {
    this.on = false;
    /** @type {Map<number, number>} how far each word was shown, LETTERS or WORD */
    this.shown = new Map();
    /** Hints given. */
    this.given = 0;
    /** Sample at which the silence began that is going on. */
    this.quietFrom = NaN;
    /** A silence has brought a whole word: no more come before the reciter goes on. */
    this.prompted = false;
  }

  /** A new recitation begins. */
  begin() {
    this.shown.clear();
    this.given = 0;
    this.quietFrom = NaN;
    this.prompted = false;
  }

  /** @param {Follow} follow @param {number} index @returns {Veil} */
  veil(follow, index) {
    if (!this.on || follow.words[index].verdict !== null) return "open";
    const shown = this.shown.get(index);
    if (shown === undefined) return "hidden";
    return shown === WORD ? "open" : "letters";
  }

  /** @param {Follow} follow @returns {number} the word to be said next, of those not yet seen; -1 when there is none */
  next(follow) {
    const { here, lit, words } = follow;
    let index = Math.max(0, lit.has(here) ? here + 1 : here);
    while (index < words.length && this.veil(follow, index) === "open") index++;
    return index < words.length ? index : -1;
  }

  /** Shows more of the next word.  @param {Follow} follow @returns {number} that word, -1 when there is none */
  hint(follow) {
    const index = this.on ? this.next(follow) : -1;
    if (index < 0) return -1;
    this.shown.set(index, this.shown.has(index) ? WORD : LETTERS);
    this.given++;
    return index;
  }

  /**
   * The newest feedback, by which a silence is measured.
   * @param {Follow} follow @param {{sample: number, speech: boolean}} message
   * @returns {number} the word of which a hint was given, -1 for none
   */
  hear(follow, { sample, speech }) {
    const waited = this.on && !speech && follow.state === "following";
    if (!waited || !(sample >= this.quietFrom)) {
      this.quietFrom = sample;
      if (speech) this.prompted = false;
      return -1;
    }
    if (this.prompted || sample - this.quietFrom < SILENCE_S * SAMPLE_HZ) return -1;
    this.quietFrom = sample;
    const index = this.hint(follow);
    this.prompted = index >= 0 && this.veil(follow, index) === "open";
    return index;
  }
}

/**
 * How much of a word its first letters are: two, and one of a short word; the article alone would tell nothing.
 * @param {string} text @returns {number} characters
 */
export function firstLetters(text) {
  // Small waw and ya and the tatweel are no letters of their own here but belong to the one before.
  /** @type {string[]} */
  const letters = text.match(/[^\p{M}ـۥۦ][\p{M}ـۥۦ]*/gu) ?? [];
  const article = letters.length > 3 && letters[0][0] === "ٱ" && letters[1][0] === "ل" ? 1 : 0;
  const count = letters.length > 3 ? 2 + article : 1;
  return letters.slice(0, count).join("").length;
}
