/** The bar at the foot of the page: what is happening, the microphone button, and the response time. */
import { number, t } from "./i18n.js";
import { find } from "./picker.js";
import { tempo } from "./rule_card.js";
import { MOST_TRIES } from "./recital.js";

/** @typedef {import("./recital.js").State} State */

/** States in which the button ends the recitation. */
const LIVE = new Set(["connecting", "listening", "finding", "following", "unclear", "lost"]);

/** Words may end several times a second; a figure that changes as often cannot be read. */
const FIGURE_EVERY_MS = 400;

export class Dock {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.title = find(root, "#state-title", HTMLElement);
    this.hint = find(root, "#state-hint", HTMLElement);
    this.button = find(root, "#mic", HTMLButtonElement);
    this.passage = find(document, "#passage", HTMLButtonElement);
    this.tempo = find(root, "#tempo-value", HTMLElement);
    this.figure = find(root, "#latency", HTMLElement);
    this.lit = find(root, "#latency-lit", HTMLElement);
    this.judged = find(root, "#latency-judged", HTMLElement);
    this.transport = find(root, "#transport", HTMLElement);
    /** @type {import("./connection.js").Way} */
    this.way = "webrtc";
    /** @type {State} */
    this.state = "idle";
    this.tries = 0;
    this.live = false;
    this.place = "";
    this.shownAt = 0;
    /** @type {number|null} */
    this.harakah_ms = null;
    /** @type {{lit_ms: number, judged_ms: number, measured: boolean}|null} */
    this.latency = null;
  }

  /** @param {State} state @param {number} tries @param {boolean} live a recitation is going on */
  enter(state, tries, live) {
    this.state = state;
    this.tries = tries;
    this.live = live || LIVE.has(state);
    if (!this.live) this.place = "";
    document.documentElement.dataset.state = state;
    document.documentElement.dataset.live = String(this.live);
    this.passage.disabled = this.live;
    this.retell();
  }

  /** @param {string} surah @param {number} ayah */
  at(surah, ayah) {
    const place = t("following_hint", { surah, ayah });
    if (place === this.place) return;
    this.place = place;
    if (this.state === "following") this.hint.textContent = place;
  }

  /** Says everything again, as after a change of language. */
  retell() {
    this.title.textContent = t(this.state);
    this.hint.textContent = this.#hint();
    const label = t(this.live ? "stop" : "start");
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.setAttribute("aria-pressed", String(this.live));
    this.tempo.textContent = tempo(this.harakah_ms);
    this.#tellWay();
    this.#tellLatency();
  }

  /** @returns {string} */
  #hint() {
    if (this.state === "following") return this.place || t("listening_hint");
    if (this.state !== "disconnected") return t(`${this.state}_hint`);
    if (!this.live) return t("gave_up_hint");
    return this.tries ? t("disconnected_hint", { n: this.tries, of: MOST_TRIES }) : t("coming_back_hint");
  }

  /** @param {number|null} harakah_ms the reciter's tempo, null until it is known */
  keepTime(harakah_ms) {
    // To a hundredth of a second, as it is shown.
    const shown = harakah_ms === null ? null : Math.round(harakah_ms / 10) * 10;
    if (shown === this.harakah_ms) return;
    this.harakah_ms = shown;
    this.tempo.textContent = tempo(shown);
  }

  /**
   * How long after the end of a word it is lit and judged.
   * @param {number} lit_ms @param {number} judged_ms @param {boolean} measured @param {number} now
   */
  respond(lit_ms, judged_ms, measured, now) {
    if (Number.isNaN(judged_ms) || now - this.shownAt < FIGURE_EVERY_MS) return;
    this.shownAt = now;
    this.latency = { lit_ms, judged_ms, measured };
    this.#tellLatency();
  }

  /** @param {import("./connection.js").Way} way that the voice goes */
  goBy(way) {
    this.way = way;
    this.#tellWay();
  }

  forgetLatency() {
    this.latency = null;
    this.shownAt = 0;
    this.#tellLatency();
  }

  #tellWay() {
    this.transport.textContent = t(`over_${this.way}`);
    this.transport.title = t(`over_${this.way}_title`);
  }

  #tellLatency() {
    this.figure.hidden = this.latency === null;
    if (!this.latency) return;
    const { lit_ms, judged_ms, measured } = this.latency;
    const told = (/** @type {number} */ ms) => `${measured ? "" : "≈ "}${number(Math.round(ms / 10) * 10)} ${t("ms")}`;
    this.lit.textContent = lit_ms < 5 ? t("at_once") : told(lit_ms);
    this.judged.textContent = told(judged_ms);
    this.figure.title = t(measured ? "latency_measured" : "latency_estimated");
    this.figure.dataset.source = measured ? "measured" : "estimated";
  }
}
