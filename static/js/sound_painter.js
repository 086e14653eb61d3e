/**
 * Draws a stretch of the reciter's sound in lanes one under another, on one axis of time that runs as the page is read:
 * words, waveform, pitch over a grid of counts, spectrogram, tempo.  What was judged is drawn in the colour of its
 * verdict, and rules with how long they were held and a bracket where they were due.  Nothing is allocated while drawing but text.
 *
 * @typedef {import("./voice_columns.js").VoiceColumns} VoiceColumns
 * @typedef {import("./voice_marks.js").VoiceMarks} VoiceMarks
 */
import { SpectrumStrip } from "./spectrum_strip.js";
import { COLUMN_MS } from "./voice_columns.js";

/** Shares of the height. */
const LANES = { words: [0, 0.2], wave: [0.2, 0.36], pitch: [0.37, 0.67], spectrum: [0.68, 0.91], tempo: [0.92, 1] };

/** The waveform fills its lane at this peak: people recite with room to spare. */
const FULL_PEAK = 0.5;

/** A voice that jumps more than this between two columns, as octave errors do, is not joined by a line. */
const PITCH_JUMP = 1.25;

/** The pitch lane shows so much above and below the middle of the voice: ten semitones. */
const PITCH_REACH = 1.8;

/** Tempo lane: from slow to fast, ms a count. */
const SLOWEST_MS = 450;
const FASTEST_MS = 80;

/** Counts drawn after the newest sound: no madd is longer. */
const MOST_COUNTS = 8;

const STATUSES = /** @type {const} */ (["accepted", "questioned", "wrong", "unclear", "advice", "error", "voice", "ink",
  "ink-soft", "line", "gold"]);

export class SoundPainter {
  /** @param {HTMLCanvasElement} canvas @param {VoiceColumns} columns */
  constructor(canvas, columns) {
    this.canvas = canvas;
    this.columns = columns;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.strip = new SpectrumStrip(columns);
    this.width = 0;
    this.height = 0;
    this.ratio = 1;
    /** @type {Record<string, string>} */
    this.colours = {};
    this.mirrored = false;
    /** The stretch drawn, columns. */
    this.from = 0;
    this.to = 1;
  }

  /** To be called when the canvas, the theme or the language changed; takes its size from the layout. */
  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.max(1, Math.round(clientWidth * this.ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * this.ratio));
    const style = getComputedStyle(this.canvas);
    for (const name of STATUSES) this.colours[name] = style.getPropertyValue(`--${name}`);
    this.mirrored = style.direction === "rtl";
    this.strip.restart(this.colours.ink);
  }

  /** @param {number} column @returns {number} px from the left */
  x(column) {
    const along = ((column - this.from) / (this.to - this.from)) * this.width;
    return this.mirrored ? this.width - along : along;
  }

  /** @param {number} time_ms @returns {number} column, between two where it lies there */
  column(time_ms) {
    const { columns } = this;
    const next = columns.at(time_ms);
    if (next < columns.count) return next - (columns.time_ms[columns.slot(next)] - time_ms) / COLUMN_MS;
    if (!columns.count) return 0;
    return columns.count - 1 + (time_ms - columns.time_ms[columns.slot(columns.count - 1)]) / COLUMN_MS;
  }

  /** @param {number} from column @param {number} to column @param {VoiceMarks} marks */
  paint(from, to, marks) {
    this.from = from;
    this.to = to;
    const { pen, ratio } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.#spectrum();
    this.#grid(marks);
    this.#rules(marks);
    this.#pitch();
    this.#wave(marks);
    this.#tempo();
    this.#words(marks);
  }

  /** @param {keyof typeof LANES} lane @returns {[top: number, height: number]} px */
  #lane(lane) {
    const [top, bottom] = LANES[lane];
    return [top * this.height, (bottom - top) * this.height];
  }

  #spectrum() {
    const [top, height] = this.#lane("spectrum");
    const { pen } = this;
    pen.save();
    if (this.mirrored) pen.transform(-1, 0, 0, 1, this.width, 0);
    this.strip.draw(pen, this.from, this.to, top, this.width, height);
    pen.restore();
  }

  /** @param {VoiceMarks} marks */
  #grid(marks) {
    const [top, height] = this.#lane("pitch");
    const { pen } = this;
    const step = marks.harakah_ms / COLUMN_MS;
    pen.fillStyle = this.colours.line;
    if (!(step > 1) || Number.isNaN(marks.anchor_ms)) return;
    // From the end of the newest sound that was told: what is held now is counted from there.
    const anchor = this.column(marks.anchor_ms);
    for (let count = 0; count <= MOST_COUNTS; count++) {
      const x = this.x(anchor + count * step);
      if (x >= 0 && x <= this.width) pen.fillRect(x, top, count % 2 ? 1 : 2, height);
    }
  }

  /** @param {VoiceMarks} marks */
  #rules(marks) {
    const [top, height] = this.#lane("pitch");
    const { pen } = this;
    for (let i = 0; i < marks.rules; i++) {
      const start = this.column(marks.ruleFrom[i]);
      const step = marks.ruleHarakah[i] / COLUMN_MS;
      const most = start + marks.ruleMost[i] * step;
      const [a, held] = [this.x(start), this.x(this.column(marks.ruleTo[i]))];
      if (Math.max(a, held, this.x(most)) < 0 || Math.min(a, held, this.x(most)) > this.width) continue;
      const colour = this.colours[marks.ruleTone[i]];
      pen.fillStyle = colour;
      pen.globalAlpha = 0.16;
      pen.fillRect(Math.min(a, held), top, Math.abs(held - a), height);
      pen.globalAlpha = 0.45;
      if (step > 1) for (let n = 0; n <= marks.ruleMost[i]; n++) pen.fillRect(this.x(start + n * step), top, 1, height);
      pen.globalAlpha = 1;
      if (step > 1) this.#due(start + marks.ruleLeast[i] * step, most, top, height);
    }
  }

  /** A bracket from the least to the most counts that are right.  @param {number} from @param {number} to @param {number} top @param {number} height */
  #due(from, to, top, height) {
    const { pen } = this;
    const [a, b] = [this.x(from), this.x(to)];
    pen.fillRect(Math.min(a, b) - 1, top, Math.abs(b - a) + 2, 3);
    pen.fillRect(a - 1, top, 2, height);
    pen.fillRect(b - 1, top, 2, height);
  }

  #pitch() {
    const [top, height] = this.#lane("pitch");
    const { pen, columns } = this;
    const lowest = columns.middle_hz / PITCH_REACH;
    const span = 2 * Math.log(PITCH_REACH);
    pen.strokeStyle = this.colours.gold;
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.beginPath();
    let before = 0;
    for (let column = this.#first(); column < this.#last(); column++) {
      const hz = columns.pitch_hz[columns.slot(column)];
      if (hz > 0) {
        const y = top + height - 2 - (height - 4) * Math.min(1, Math.max(0, Math.log(hz / lowest) / span));
        const joined = before > 0 && hz < before * PITCH_JUMP && before < hz * PITCH_JUMP;
        if (joined) pen.lineTo(this.x(column), y);
        else pen.moveTo(this.x(column), y);
      }
      before = hz;
    }
    pen.stroke();
  }

  /** @param {VoiceMarks} marks */
  #wave(marks) {
    const [top, height] = this.#lane("wave");
    const { pen, columns } = this;
    const middle = top + height / 2;
    const wide = Math.max(1, (this.width / (this.to - this.from)) * 0.8);
    let word = -1;
    pen.fillStyle = this.colours.voice;
    for (let column = this.#first(); column < this.#last(); column++) {
      const slot = columns.slot(column);
      const told = marks.wordAt(columns.time_ms[slot]);
      if (told !== word) {
        word = told;
        pen.fillStyle = word < 0 ? this.colours.voice : (this.colours[marks.wordTone[word]] ?? this.colours.voice);
      }
      const tall = Math.max(1, Math.min(1, columns.level[slot] / FULL_PEAK) * height);
      pen.fillRect(this.x(column) - wide / 2, middle - tall / 2, wide, tall);
    }
  }

  #tempo() {
    const [top, height] = this.#lane("tempo");
    const { pen, columns } = this;
    pen.strokeStyle = this.colours["ink-soft"];
    pen.lineWidth = 1.5;
    pen.beginPath();
    let known = false;
    for (let column = this.#first(); column < this.#last(); column += 4) {
      const ms = columns.harakah_ms[columns.slot(column)];
      if (ms > 0) {
        const share = Math.log(SLOWEST_MS / Math.min(SLOWEST_MS, Math.max(FASTEST_MS, ms))) / Math.log(SLOWEST_MS / FASTEST_MS);
        const y = top + height - 1 - share * (height - 2);
        if (known) pen.lineTo(this.x(column), y);
        else pen.moveTo(this.x(column), y);
      }
      known = ms > 0;
    }
    pen.stroke();
  }

  /** @param {VoiceMarks} marks */
  #words(marks) {
    const [top, height] = this.#lane("words");
    const { pen } = this;
    pen.font = `${Math.round(height * 0.58)}px "Amiri Quran"`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let i = 0; i < marks.words; i++) {
      const [a, b] = [this.x(this.column(marks.wordFrom[i])), this.x(this.column(marks.wordTo[i]))];
      if (Math.max(a, b) < 0 || Math.min(a, b) > this.width) continue;
      pen.fillStyle = this.colours[marks.wordTone[i]] ?? this.colours["ink-soft"];
      pen.fillText(marks.wordText[i], (a + b) / 2, top + height * 0.56);
      pen.fillRect(Math.min(a, b) + 1, top + height - 2, Math.max(1, Math.abs(b - a) - 2), 2);
    }
  }

  #first() {
    return Math.max(this.columns.first, Math.floor(this.from));
  }

  #last() {
    return Math.min(this.columns.count, Math.ceil(this.to));
  }
}
