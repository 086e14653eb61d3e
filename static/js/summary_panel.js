/** The panel that ends a recitation and the card of a single word, with what their buttons do. */
import { language } from "./i18n.js";
import { find } from "./picker.js";
import { renderSummary, wordCard } from "./summary_view.js";
import { save, tableToKeep } from "./verses.js";
import { WordPopover } from "./word_popover.js";

/** Narrower than this the panel covers the text. */
const BESIDE_PX = 900;

export class SummaryPanel {
  /**
   * @param {HTMLElement} page the whole document's body @param {import("./sheet.js").Sheet} sheet
   * @param {import("./replay.js").Replay} replay @param {import("./hifz.js").Hifz} hifz
   */
  constructor(page, sheet, replay, hifz) {
    this.panel = find(page, "#summary", HTMLElement);
    this.body = find(page, "#summary-body", HTMLElement);
    this.reopen = find(page, "#again", HTMLElement);
    this.card = new WordPopover(find(page, "#card", HTMLElement), find(page, "#dock", HTMLElement));
    this.sheet = sheet;
    this.replay = replay;
    this.hifz = hifz;
    this.seconds = 0;
    /** @type {import("./summary_view.js").Deeds} */
    this.deeds = {
      canHear: () => this.replay.ready,
      hear: (at, button, picture) => this.#hear(at, this.replay.said.word(at), button, picture),
      hearRule: (rule, button, picture) => this.#hear(rule.at, this.replay.said.rule(rule), button, picture),
      picture: (at) => {
        const span = this.replay.said.word(at);
        return span && this.replay.pictureOf(span);
      },
      show: (at) => {
        if (innerWidth < BESIDE_PX) this.close();
        this.sheet.view.point(this.sheet.placeOf(at));
      },
    };
    this.reopen.addEventListener("click", () => this.open());
    find(page, "#summary-save", HTMLElement).addEventListener("click", () => {
      const { follow, passage } = this.sheet;
      save(`talaqqi ${passage.ref.replaceAll(":", ".")}.csv`, tableToKeep(follow, language()));
    });
    find(page, "#summary-print", HTMLElement).addEventListener("click", () => print());
    find(page, "#summary-close", HTMLElement).addEventListener("click", () => this.close());
  }

  /** A recitation is over and has something to tell.  @param {number} seconds that it took */
  finish(seconds) {
    this.seconds = seconds;
    this.reopen.hidden = false;
    this.open();
  }

  /** There is nothing to tell of. */
  forget() {
    this.reopen.hidden = true;
  }

  open() {
    renderSummary(this.body, this.sheet.follow, this.seconds, this.deeds, this.hifz);
    document.documentElement.dataset.summary = "open";
    this.panel.inert = false;
    this.panel.focus({ preventScroll: true });
  }

  close() {
    delete document.documentElement.dataset.summary;
    this.panel.inert = true;
  }

  /** Says everything again, as after a change of language. */
  retell() {
    if (!this.panel.inert) this.open();
  }

  /** @param {HTMLElement} span of the word */
  openCard(span) {
    const word = this.sheet.follow.words[Number(span.dataset.index)];
    if (!word || (word.verdict === null && !span.dataset.rule)) return;
    this.card.open(span, wordCard(word, this.sheet.follow, this.deeds));
  }

  /**
   * @param {string} at @param {import("./said_when.js").Span|null} span @param {HTMLElement} button pressed
   * @param {import("./replay.js").ReplayPicture|null} picture
   */
  #hear(at, span, button, picture) {
    if (!span) return;
    this.sheet.view.point(this.sheet.placeOf(at));
    button.classList.add("playing");
    void this.replay.play(span, picture, () => button.classList.remove("playing"));
  }
}
