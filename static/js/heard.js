/**
 * What feedback brings, told to the eye, to a screen reader and to who observes the page, each word with the time
 * after which it was lit and judged.
 *
 * @typedef {import("./recital.js").Arrival} Arrival
 */
import { doubts } from "./follow.js";
import { firstLetters } from "./hifz.js";
import { t } from "./i18n.js";
import { noteEvent, noteLatency, observed } from "./observe.js";
import { splitAddress } from "./passage.js";
import { RunningMedian } from "./rtp_clock.js";
import { gravest, isBroken } from "./rules.js";
import { SaidWhen } from "./said_when.js";
import { spokenRule, spokenVerdict } from "./summary_view.js";

/** Words whose times the dock shows the middle of. */
const WORDS_SHOWN = 9;

export class Heard {
  /**
   * @param {import("./sheet.js").Sheet} sheet @param {import("./dock.js").Dock} dock
   * @param {import("./announce.js").Announcer} announcer @param {import("./hifz.js").Hifz} hifz
   */
  constructor(sheet, dock, announcer, hifz) {
    this.sheet = sheet;
    this.dock = dock;
    this.announcer = announcer;
    this.hifz = hifz;
    this.said = new SaidWhen();
    this.litLatency = new RunningMedian(WORDS_SHOWN);
    this.judgedLatency = new RunningMedian(WORDS_SHOWN);
    /** When the cursor reached the end of each word, epoch ms.  @type {Map<number, number>} */
    this.litAt = new Map();
  }

  /** Another passage, or the same anew. */
  reset() {
    this.said.clear();
    this.litAt.clear();
  }

  /** A recitation begins. */
  begin() {
    this.hifz.begin();
    this.litLatency.clear();
    this.judgedLatency.clear();
    this.dock.forgetLatency();
  }

  /** @param {import("./follow.js").Change} change @param {import("./messages.js").Feedback} message @param {Arrival} arrival */
  take(change, message, arrival) {
    const { sheet, said } = this;
    sheet.view.touch(change.touched);
    said.noteZero(arrival.zero_ms, arrival.measured);
    if (change.newest) {
      noteLatency("latencies", arrival.latency_ms);
      observed.latencySource = arrival.measured ? "measured" : "estimated";
      this.tellHint(this.hifz.hear(sheet.follow, message));
    }
    for (const place of change.lit) this.litAt.set(place, arrival.at_ms);
    for (const [, at, index, unit, , end, p, heard] of change.phones) {
      noteEvent("phone", { at, index, unit, p, heard, latency_ms: arrival.at_ms - said.at(end) });
      said.notePhone(sheet.placeOf(at), end);
    }
    for (const place of change.judged) this.#takeWord(place, arrival);
    for (const rule of change.rules) this.#takeRule(rule, arrival);
    if (change.newest) this.dock.keepTime(sheet.follow.harakah_ms);
    if (change.moved && message.cursor) this.#moveTo(message.cursor, arrival);
  }

  /** @param {number} place @param {Arrival} arrival */
  #takeWord(place, arrival) {
    const word = this.sheet.follow.words[place];
    this.said.noteWord(word);
    if (word.end <= arrival.known_from) return;
    const ended_ms = this.said.at(word.end);
    const latency_ms = arrival.at_ms - ended_ms;
    const lit_ms = (this.litAt.get(place) ?? arrival.at_ms) - ended_ms;
    noteLatency("litLatencies", lit_ms);
    noteLatency("wordLatencies", latency_ms);
    this.litLatency.push(lit_ms);
    this.judgedLatency.push(latency_ms);
    this.dock.respond(this.litLatency.median, this.judgedLatency.median, arrival.measured, performance.now());
    noteEvent("word", { at: word.at, status: word.verdict, score: word.score, lit_ms, latency_ms });
    // What a rule tells is told once.
    const byRule = gravest(word.rules) !== null && doubts(word).length === 0;
    if (word.verdict !== "accepted" && !byRule) this.announcer.say("word", spokenVerdict(word));
  }

  /** @param {import("./rules.js").RuleHeard} rule @param {Arrival} arrival */
  #takeRule(rule, arrival) {
    this.said.noteRule(rule);
    const latency_ms = arrival.at_ms - this.said.at(rule.end);
    const { at, severity, slip, measured } = rule;
    noteEvent("rule", { at, rule: rule.rule, severity, slip, measured, latency_ms });
    if (!isBroken(rule)) return;
    const { follow, view } = this.sheet;
    view.name(follow, rule);
    this.announcer.say("rule", spokenRule(rule, follow.words[follow.places.get(at) ?? 0]));
  }

  /** @param {import("./messages.js").CursorRow} cursor @param {Arrival} arrival */
  #moveTo([at, phone, end], arrival) {
    noteEvent("cursor", { at, phone, latency_ms: arrival.at_ms - this.said.at(end) });
    const [surah, ayah] = splitAddress(at);
    this.dock.at(this.sheet.surahName(surah), ayah);
  }

  /** @param {number} index of a word of which more is shown now, -1 for none */
  tellHint(index) {
    if (index < 0) return;
    const { follow, view } = this.sheet;
    view.touch([index]);
    const { at, text } = follow.words[index];
    const open = this.hifz.veil(follow, index) === "open";
    noteEvent("hint", { at, open });
    this.announcer.say("word", t("say_hint", { text: open ? text : text.slice(0, firstLetters(text)) }));
  }
}
