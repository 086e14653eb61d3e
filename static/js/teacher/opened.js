/**
 * One session in full, as its student sees it: the passage, the light that goes with the reciter, every verdict, and
 * those of a teacher over ours.
 *
 * @typedef {import("./protocol.js").Rows} Rows
 */
import { beginFollow, takeFeedback, takeOverruled } from "../follow.js";
import { AUTO } from "../messages.js";
import { fetchPassage } from "../passage.js";
import { RunningMedian } from "../rtp_clock.js";

export class OpenedSession {
  /**
   * @param {string} session @param {import("../mushaf_view.js").MushafView} view
   * @param {() => readonly import("../messages.js").Surah[]} surahs
   * @param {(index: number) => void} ondoubt a word was judged and not accepted, after the first rows
   */
  constructor(session, view, surahs, ondoubt) {
    this.session = session;
    this.view = view;
    this.surahs = surahs;
    this.ondoubt = ondoubt;
    this.verses = "";
    this.follow = beginFollow([]);
    /** The text is there.  */
    this.placed = false;
    /** What had been recited before it was opened has been shown. */
    this.caughtUp = false;
    /** Messages that came before the text.  @type {Rows[]} */
    this.waiting = [];
    this.delay = new RunningMedian(9);
    this.gone = false;
  }

  get seeking() {
    return this.verses === AUTO;
  }

  /**
   * Another passage, from its beginning.
   * @param {string} verses @returns {Promise<boolean>} false when its text cannot be had
   */
  async turnTo(verses) {
    this.verses = verses;
    this.placed = this.caughtUp = false;
    this.waiting = [];
    this.follow = beginFollow([]);
    this.view.clear();
    if (verses === AUTO) return true;
    let passage;
    try {
      passage = await fetchPassage(verses);
    } catch {
      return false;
    }
    if (this.gone || this.verses !== verses) return true;
    this.follow = beginFollow(passage.words);
    this.view.render(passage, this.surahs());
    this.view.touchAll();
    this.placed = true;
    for (const rows of this.waiting.splice(0)) this.#apply(rows);
    return true;
  }

  /** @param {Rows} rows @param {number} away_ms from the server to here */
  take(rows, away_ms) {
    if (this.caughtUp && rows.speech && rows.late_ms !== null) this.delay.push(rows.late_ms + away_ms);
    if (this.placed) this.#apply(rows);
    else this.waiting.push(rows);
  }

  /** @param {Rows} rows */
  #apply(rows) {
    const message = /** @type {import("../messages.js").Feedback} */ (/** @type {unknown} */ (rows));
    const change = takeFeedback(this.follow, message);
    takeOverruled(this.follow, rows.overruled, change.touched);
    this.view.touch(change.touched);
    for (const place of this.caughtUp ? change.judged : []) {
      if (this.follow.words[place].verdict !== "accepted") this.ondoubt(place);
    }
    this.caughtUp = true;
  }

  frame() {
    if (this.placed) this.view.frame(this.follow);
  }

  /** Nothing of it is drawn any more. */
  leave() {
    this.gone = true;
    this.placed = false;
    this.view.clear();
  }
}
