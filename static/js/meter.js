/**
 * The level of the voice as a ribbon: bars that leave the microphone button in the middle and travel outward to both
 * sides, so that it reads the same in a right-to-left page.  Nothing is allocated while drawing.
 */

const BAR_PX = 3;
const STEP_PX = 6;
const BAR_EVERY_MS = 45;
const FLOOR_DB = -62;
const CEILING_DB = -12;

/** Widest half-ribbon kept: half of a 4K screen. */
const KEPT = 400;

export class LevelMeter {
  /** @param {HTMLCanvasElement} canvas @param {boolean} still for reduced motion: bars stay in place and only grow */
  constructor(canvas, still) {
    this.canvas = canvas;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.still = still;
    /** @type {AnalyserNode|null} */
    this.analyser = null;
    this.samples = new Float32Array(1024);
    this.levels = new Float32Array(KEPT);
    this.newest = 0;
    this.level = 0;
    this.barAt = 0;
    this.width = 0;
    this.height = 0;
    this.clear = 0;
    this.quiet = false;
    this.colour = "";
    this.rest = "";
    new ResizeObserver(() => this.fit()).observe(canvas);
    this.fit();
  }

  /** @param {AudioContext} context @param {AudioNode} node */
  listen(context, node) {
    this.analyser = new AnalyserNode(context, { fftSize: this.samples.length, smoothingTimeConstant: 0 });
    node.connect(this.analyser);
  }

  stop() {
    this.analyser?.disconnect();
    this.analyser = null;
  }

  /** To be called when the colours changed. */
  fit() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth, clientHeight } = this.canvas;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(this.canvas);
    this.colour = style.getPropertyValue("--voice");
    this.rest = style.getPropertyValue("--voice-rest");
    // Room left free in the middle for the button.
    this.clear = parseFloat(style.getPropertyValue("--meter-clear")) || 48;
    this.quiet = false;
  }

  /** @param {number} now ms, once a frame */
  frame(now) {
    if (this.analyser) this.#measure();
    else this.level = 0;
    if (now - this.barAt >= BAR_EVERY_MS) {
      this.barAt = now;
      this.newest = (this.newest + 1) % KEPT;
      this.levels[this.newest] = 0;
    }
    this.levels[this.newest] = Math.max(this.levels[this.newest], this.level);
    this.#draw(Math.min(1, (now - this.barAt) / BAR_EVERY_MS));
  }

  #measure() {
    /** @type {AnalyserNode} */ (this.analyser).getFloatTimeDomainData(this.samples);
    let energy = 0;
    for (let i = 0; i < this.samples.length; i++) energy += this.samples[i] * this.samples[i];
    const db = 10 * Math.log10(energy / this.samples.length + 1e-12);
    const level = Math.min(1, Math.max(0, (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
    this.level = level > this.level ? level : this.level * 0.85 + level * 0.15;
  }

  /** @param {number} phase how far the newest bar has come on its way, 0 to 1 */
  #draw(phase) {
    const middle = this.width / 2;
    const bars = Math.min(KEPT - 1, Math.floor((middle - this.clear) / STEP_PX));
    if (!this.analyser && this.#settled(bars)) {
      if (this.quiet) return;
      this.quiet = true;
    } else this.quiet = false;
    const pen = this.pen;
    pen.clearRect(0, 0, this.width, this.height);
    const shift = this.still || this.quiet ? 0 : phase * STEP_PX;
    for (let bar = 0; bar < bars; bar++) {
      const level = this.still ? this.level * (1 - bar / bars) : this.levels[(this.newest - bar + KEPT) % KEPT];
      const away = this.clear + bar * STEP_PX + shift;
      const height = BAR_PX + level * level * (this.height - 2 * BAR_PX);
      const fade = 1 - bar / bars;
      pen.globalAlpha = level > 0.02 ? 0.25 + 0.75 * fade : 0.5 * fade;
      pen.fillStyle = level > 0.02 ? this.colour : this.rest;
      pen.beginPath();
      pen.roundRect(middle + away, (this.height - height) / 2, BAR_PX, height, BAR_PX / 2);
      pen.roundRect(middle - away - BAR_PX, (this.height - height) / 2, BAR_PX, height, BAR_PX / 2);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  /** @param {number} bars */
  #settled(bars) {
    for (let bar = 0; bar < bars; bar++) {
      if (this.levels[(this.newest - bar + KEPT) % KEPT] > 0.001) return false;
    }
    return true;
  }
}
