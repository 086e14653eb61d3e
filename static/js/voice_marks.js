/**
 * Where the words and rules lie that are drawn over a stretch of sound, and in which tone: what `SoundPainter` needs of
 * `Follow` and `SaidWhen`, in arrays that are filled anew without allocation.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./said_when.js").SaidWhen} SaidWhen
 */
import { lookOf } from "./follow.js";
import { isBroken } from "./rules.js";

/** More words are on no screen. */
const MOST_WORDS = 48;
const MOST_RULES = 48;

/** Words before and after the newest that may be in sight of what is drawn live. */
const NEAR = 40;

export class VoiceMarks {
  constructor() {
    this.words = 0;
    this.wordFrom = new Float64Array(MOST_WORDS);
    this.wordTo = new Float64Array(MOST_WORDS);
    /** @type {string[]} names of colours */
    this.wordTone = [];
    /** @type {string[]} */
    this.wordText = [];
    this.rules = 0;
    this.ruleFrom = new Float64Array(MOST_RULES);
    this.ruleTo = new Float64Array(MOST_RULES);
    /** Counts due; 0 where the rule has no length. */
    this.ruleLeast = new Float64Array(MOST_RULES);
    this.ruleMost = new Float64Array(MOST_RULES);
    this.ruleHarakah = new Float64Array(MOST_RULES);
    /** @type {string[]} names of colours */
    this.ruleTone = [];
    this.harakah_ms = 0;
    /** End of the newest sound that was told, epoch ms, NaN before the first. */
    this.anchor_ms = NaN;
  }

  /**
   * Of the words near the newest only, so that a frame costs the same in the longest surah.
   * @param {Follow} follow @param {SaidWhen} said @param {number} from_ms @param {number} to_ms of what is in sight
   */
  gatherNewest(follow, said, from_ms, to_ms) {
    const near = said.newestPlace;
    this.gather(follow, said, from_ms, to_ms, Math.max(0, near - NEAR), Math.min(follow.words.length, near + NEAR));
  }

  /**
   * @param {Follow} follow @param {SaidWhen} said @param {number} from_ms @param {number} to_ms of what is in sight
   * @param {number} [first] place of a word @param {number} [last] place behind the last that is looked at
   */
  gather(follow, said, from_ms, to_ms, first = 0, last = follow.words.length) {
    this.words = this.rules = 0;
    this.harakah_ms = follow.harakah_ms ?? 0;
    this.anchor_ms = said.newest_ms;
    for (let place = first; place < last; place++) this.#word(follow.words[place], said, from_ms, to_ms);
  }

  /** @param {import("./follow.js").WordState} word @param {SaidWhen} said @param {number} from_ms @param {number} to_ms */
  #word(word, said, from_ms, to_ms) {
    const span = said.words.get(word.at);
    if (span && word.verdict !== null && span[1] > from_ms && span[0] < to_ms && this.words < MOST_WORDS) {
      const at = this.words++;
      this.wordFrom[at] = span[0];
      this.wordTo[at] = span[1];
      this.wordTone[at] = lookOf(word.verdict);
      this.wordText[at] = word.text;
    }
    for (const rule of word.rules) {
      const own = said.rules.get(rule);
      if (!own || own[1] < from_ms || own[0] > to_ms || this.rules >= MOST_RULES) continue;
      if (rule.measured === null && !isBroken(rule)) continue;
      const at = this.rules++;
      this.ruleFrom[at] = own[0];
      this.ruleTo[at] = own[1];
      this.ruleLeast[at] = rule.measured === null ? 0 : (rule.expected?.[0] ?? 0);
      this.ruleMost[at] = rule.measured === null ? 0 : (rule.expected?.[1] ?? 0);
      // In the counts of the tempo that it was measured by.
      this.ruleHarakah[at] = rule.measured ? (own[1] - own[0]) / rule.measured : 0;
      this.ruleTone[at] = isBroken(rule) ? rule.severity : rule.severity === "fine" ? "accepted" : "unclear";
    }
  }

  /** @param {number} time_ms @returns {number} the word then, the later of two that meet; -1 for none */
  wordAt(time_ms) {
    for (let i = this.words - 1; i >= 0; i--) if (this.wordFrom[i] <= time_ms && time_ms < this.wordTo[i]) return i;
    return -1;
  }
}
