/**
 * A stretch of one's own recitation seen and heard again: its picture stands on the card, and while it sounds a cursor
 * goes over the picture and over the letters of the text at once, by the clock of the sound that leaves the loudspeaker.
 */
import { t } from "./i18n.js";
import { noteEvent } from "./observe.js";
import { part } from "./parts.js";
import { SoundPainter } from "./sound_painter.js";
import { VoiceMarks } from "./voice_marks.js";

/** Seen before and after what is heard. */
const AROUND_MS = 300;

/** @typedef {import("./said_when.js").Span} Span */

/** The picture of a stretch; it draws itself when it is laid out, and again when the page turns dark or light. */
export class ReplayPicture {
  /** @param {Span} span @param {Replay} replay */
  constructor(span, replay) {
    this.span = span;
    this.from_ms = span[0] - AROUND_MS;
    this.to_ms = span[1] + AROUND_MS;
    this.root = part("replay");
    this.root.setAttribute("role", "img");
    this.root.setAttribute("aria-label", t("replay_picture"));
    const canvas = document.createElement("canvas");
    this.cursor = part("replay-cursor");
    this.cursor.hidden = true;
    this.root.append(canvas, this.cursor);
    const painter = new SoundPainter(canvas, replay.columns);
    new ResizeObserver(() => {
      painter.fit();
      if (!painter.width) return;
      const marks = new VoiceMarks();
      marks.gather(replay.sheet.follow, replay.said, this.from_ms, this.to_ms);
      // The grid of counts belongs to what is said now; here the boxes of the rules have their own.
      marks.anchor_ms = NaN;
      painter.paint(painter.column(this.from_ms), painter.column(this.to_ms), marks);
    }).observe(canvas);
  }

  /** @param {number} time_ms NaN for none */
  place(time_ms) {
    const share = (time_ms - this.from_ms) / (this.to_ms - this.from_ms);
    this.cursor.hidden = !(share >= 0 && share <= 1);
    if (!this.cursor.hidden) this.cursor.style.insetInlineStart = `${(100 * share).toFixed(2)}%`;
  }
}

export class Replay {
  /**
   * @param {import("./voice_columns.js").VoiceColumns} columns @param {import("./sheet.js").Sheet} sheet
   * @param {import("./said_when.js").SaidWhen} said
   */
  constructor(columns, sheet, said) {
    this.columns = columns;
    this.sheet = sheet;
    this.said = said;
    /** @type {import("./own_voice.js").OwnVoice|null} */
    this.voice = null;
    /** @type {ReplayPicture|null} the one the cursor is on */
    this.picture = null;
    this.word = -1;
    this.letters = 0;
  }

  /** @returns {boolean} */
  get ready() {
    return this.voice !== null && this.voice.ready;
  }

  /** @param {Span} span @returns {ReplayPicture} */
  pictureOf(span) {
    return new ReplayPicture(span, this);
  }

  /** @param {Span} span @param {ReplayPicture|null} picture @param {() => void} onend also when another one begins */
  async play(span, picture, onend) {
    this.#leave();
    this.picture = picture;
    await this.voice?.play(span[0], span[1], () => {
      if (this.picture === picture) this.#leave();
      onend();
    });
  }

  /** Moves the cursor, once a frame. */
  frame() {
    const time_ms = this.voice?.playhead_ms ?? NaN;
    if (Number.isNaN(time_ms)) return;
    this.picture?.place(time_ms);
    const at = this.said.wordAt(time_ms);
    const word = at === null ? -1 : this.sheet.placeOf(at);
    const letters = word < 0 ? 0 : this.#lettersSaid(word, time_ms);
    if (word === this.word && letters === this.letters) return;
    if (word !== this.word) noteEvent("replay", { at, time_ms });
    this.word = word;
    this.letters = letters;
    this.sheet.view.replay(word, letters);
  }

  /** @param {number} place @param {number} time_ms @returns {number} letters of the word begun by then */
  #lettersSaid(place, time_ms) {
    const word = this.sheet.follow.words[place];
    const phones = this.sheet.passage.words[place].phones;
    const begun_ms = this.said.words.get(word.at)?.[0] ?? time_ms;
    let letters = 0;
    word.phones.forEach((phone, index) => {
      if (!phone || begun_ms + (phone.start - word.start) / 16 > time_ms) return;
      letters = Math.max(letters, (phone.letters ?? phones[index]?.letters ?? [0, 0])[1]);
    });
    return letters;
  }

  #leave() {
    this.picture?.place(NaN);
    this.picture = null;
    this.word = -1;
    this.letters = 0;
    this.sheet.view.replay(-1, 0);
  }
}
