/**
 * When each word and each rule was said, so that it can be heard again.  Spans are epoch milliseconds of capture;
 * sessions count in samples, each from a moment of its own.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./follow.js").WordState} WordState
 * @typedef {import("./rules.js").RuleHeard} RuleHeard
 * @typedef {[from: number, to: number]} Span
 */
import { SAMPLE_HZ } from "./messages.js";

export class SaidWhen {
  constructor() {
    /** Epoch ms of the newest session's sample 0, NaN before the first. */
    this.zero_ms = NaN;
    /** @type {Map<string, Span>} */
    this.words = new Map();
    /** @type {WeakMap<RuleHeard, Span>} */
    this.rules = new WeakMap();
  }

  clear() {
    this.zero_ms = NaN;
    this.words.clear();
    this.rules = new WeakMap();
  }

  /** @param {number} sample @returns {number} epoch ms */
  at(sample) {
    return this.zero_ms + (sample * 1000) / SAMPLE_HZ;
  }

  /** @param {WordState} word */
  noteWord(word) {
    this.words.set(word.at, [this.at(word.start), this.at(word.end)]);
  }

  /** @param {RuleHeard} rule */
  noteRule(rule) {
    this.rules.set(rule, [this.at(rule.start), this.at(rule.end)]);
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

  /** @param {RuleHeard} rule @returns {Span|null} with its word, where that was said with it */
  rule(rule) {
    const own = this.rules.get(rule);
    const word = this.words.get(rule.at);
    if (!own) return null;
    const within = word && own[0] < word[1] && word[0] < own[1];
    return within ? [Math.min(own[0], word[0]), Math.max(own[1], word[1])] : own;
  }
}
