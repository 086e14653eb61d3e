/**
 * When each word and each rule was said, so that it can be seen and heard again.  Spans are epoch milliseconds of capture;
 * sessions count in samples, each from a moment of its own.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./follow.js").WordState} WordState
 * @typedef {import("./rules.js").RuleHeard} RuleHeard
 * @typedef {[from: number, to: number]} Span
 */
import { SAMPLE_HZ } from "./messages.js";
import { RunningMedian } from "./rtp_clock.js";

/** Messages that tell when a session began: half a second where the browser measures, five seconds where it guesses. */
const MEASURED = 5;
const GUESSED = 64;

/** Another session, or a clock that was set: what was told before is worth nothing. */
const ANOTHER_MS = 250;

/** The ear hears a phone begin so much after it does, in the middle (docs/decisions.md, "Measuring accuracy"). */
export const EAR_LATE_MS = 86;

/** The first phone of a word, by what it is: the ear tells it once it knows it from others, so the later the longer it lasts. */
const RESONANT_LATE_MS = 105;
const NOISY_LATE_MS = 145;
const DOUBLED_LATE_MS = 200;

/** Stops and fricatives. */
const NOISY = new Set("بتثجحخدذزسشصضطظغفقكه");

/** @param {string|undefined} unit first of a word @returns {number} ms by which the ear hears the word begin late */
export function wordLate_ms(unit = "") {
  if (unit.length === 2 && unit[0] === unit[1] && unit[0] !== "ل") return DOUBLED_LATE_MS;
  return unit.length > 2 || NOISY.has(unit[0]) ? NOISY_LATE_MS : RESONANT_LATE_MS;
}

export class SaidWhen {
  constructor() {
    /** Epoch ms of the newest session's sample 0, NaN before the first. */
    this.zero_ms = NaN;
    this.measured = new RunningMedian(MEASURED);
    this.guessed = new RunningMedian(GUESSED);
    /** End of the newest phone that was told, epoch ms, and the place of its word in the passage. */
    this.newest_ms = NaN;
    this.newestPlace = 0;
    /** @type {Map<string, Span>} */
    this.words = new Map();
    /** @type {WeakMap<RuleHeard, Span>} */
    this.rules = new WeakMap();
  }

  clear() {
    this.zero_ms = NaN;
    this.measured.clear();
    this.guessed.clear();
    this.newest_ms = NaN;
    this.newestPlace = 0;
    this.words.clear();
    this.rules = new WeakMap();
  }

  /**
   * One more message tells when the session began.  A guess is late by whatever held the message up, never early: the
   * least late of the last few seconds is taken.
   * @param {number} zero_ms epoch ms @param {boolean} measured false for a guess
   */
  noteZero(zero_ms, measured) {
    const zeros = measured ? this.measured : this.guessed;
    if (measured && !(Math.abs(zero_ms - this.zero_ms) < ANOTHER_MS)) zeros.clear();
    zeros.push(zero_ms);
    this.zero_ms = measured ? zeros.median : zeros.least;
  }

  /** A phone was told.  @param {number} place of its word @param {number} end sample */
  notePhone(place, end) {
    this.newest_ms = this.at(end) - EAR_LATE_MS;
    this.newestPlace = place;
  }

  /** @param {number} sample @returns {number} epoch ms */
  at(sample) {
    return this.zero_ms + (sample * 1000) / SAMPLE_HZ;
  }

  /** @param {WordState} word */
  noteWord(word) {
    const late_ms = wordLate_ms(word.phones[0]?.unit ?? word.units[0]);
    this.words.set(word.at, [this.at(word.start) - late_ms, this.at(word.end)]);
  }

  /** @param {RuleHeard} rule */
  noteRule(rule) {
    this.rules.set(rule, [this.at(rule.start) - EAR_LATE_MS, this.at(rule.end) - EAR_LATE_MS]);
  }

  /** A verdict that only came with the summary is placed by the newest session.  @param {Follow} follow */
  noteLate(follow) {
    if (Number.isNaN(this.zero_ms)) return;
    for (const word of follow.words) {
      if (word.verdict !== null && !this.words.has(word.at) && word.end > word.start) this.noteWord(word);
      for (const rule of word.rules) if (!this.rules.has(rule)) this.noteRule(rule);
    }
  }

  /** @param {string} at @returns {Span|null} */
  word(at) {
    return this.words.get(at) ?? null;
  }

  /** @param {number} time_ms @returns {string|null} address of the word that was said then */
  wordAt(time_ms) {
    let found = null;
    let begun = -Infinity;
    for (const [at, [from, to]] of this.words) {
      if (from > time_ms || time_ms >= to || from <= begun) continue;
      found = at;
      begun = from;
    }
    return found;
  }

  /** @param {RuleHeard} rule @returns {Span|null} with its word, where that was said with it */
  rule(rule) {
    const own = this.rules.get(rule);
    const word = this.words.get(rule.at);
    if (!own) return null;
    const within = word && own[0] < word[1] && word[0] < own[1];
    return within ? [Math.min(own[0], word[0]), Math.max(own[1], word[1])] : own;
  }
}
