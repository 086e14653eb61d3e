/**
 * The spectrogram as a strip of pixels, a column of the voice each, that new columns are added to and old ones run out
 * of; drawing it is two copies of an image however much is seen.
 */
import { BANDS } from "./voice_columns.js";

/** Twenty seconds: more than any screen shows. */
const KEPT = 2048;

export class SpectrumStrip {
  /** @param {import("./voice_columns.js").VoiceColumns} columns */
  constructor(columns) {
    this.columns = columns;
    this.canvas = document.createElement("canvas");
    this.canvas.width = KEPT;
    this.canvas.height = BANDS;
    this.pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.pixels = this.pen.createImageData(1, BANDS);
    /** Columns from `drawn - KEPT` to `drawn` are on the strip. */
    this.drawn = 0;
    this.begun = 0;
  }

  /** Forgets what is drawn, as when the colours changed.  @param {string} colour of the loudest: rgb(…), as computed */
  restart(colour) {
    const [red, green, blue] = (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
    for (let band = 0; band < BANDS; band++) this.pixels.data.set([red, green, blue, 0], 4 * band);
    this.drawn = this.begun = 0;
  }

  /**
   * @param {CanvasRenderingContext2D} pen @param {number} from column @param {number} to column @param {number} top px
   * @param {number} width px on which the stretch lies @param {number} height px
   */
  draw(pen, from, to, top, width, height) {
    this.#add(Math.max(this.columns.first, Math.floor(from)), Math.min(this.columns.count, Math.ceil(to)));
    const scale = width / (to - from);
    const last = Math.min(this.drawn, Math.ceil(to));
    for (let column = Math.max(Math.floor(from), this.drawn - KEPT, this.begun); column < last;) {
      const place = column % KEPT;
      const run = Math.min(last - column, KEPT - place);
      pen.drawImage(this.canvas, place, 0, run, BANDS, (column - from) * scale, top, run * scale, height);
      column += run;
    }
  }

  /** @param {number} first @param {number} end columns that are to be on the strip */
  #add(first, end) {
    if (end < this.drawn || first < this.begun || first > this.drawn) this.begun = this.drawn = first;
    const { spectrum } = this.columns;
    const { data } = this.pixels;
    for (; this.drawn < end; this.drawn++) {
      const low = this.columns.slot(this.drawn) * BANDS;
      for (let band = 0; band < BANDS; band++) data[4 * (BANDS - 1 - band) + 3] = spectrum[low + band];
      this.pen.putImageData(this.pixels, this.drawn % KEPT, 0);
    }
  }
}
