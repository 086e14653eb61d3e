/**
 * What is seen of a voice: a column each 10 ms with its level, its pitch and its spectrum, made as the sound comes.
 * Ten minutes of columns are kept in rings that are allocated once; no DOM.
 */
import { VOICE_HZ } from "./own_voice.js";

export const COLUMN_MS = 10;

/** Ten minutes, as the sound itself. */
const KEPT = 60_000;

/** Bands of the spectrum, evenly spaced in mel as the ear (and the model) has them. */
export const BANDS = 48;
const LOWEST_HZ = 90;
const HIGHEST_HZ = 7600;
const FLOOR_DB = -78;
const CEILING_DB = -18;

const STEP = (VOICE_HZ * COLUMN_MS) / 1000;
const WINDOW = 512;

/** The pitch is sought at a quarter of the rate; the window holds two periods of the lowest voice. */
const PITCH_EVERY = 4;
const LOWEST_PITCH_HZ = 65;
const HIGHEST_PITCH_HZ = 520;
const SHORTEST_LAG = Math.floor(VOICE_HZ / PITCH_EVERY / HIGHEST_PITCH_HZ);
const LONGEST_LAG = Math.ceil(VOICE_HZ / PITCH_EVERY / LOWEST_PITCH_HZ);

/** A whole octave in three seconds of voice. */
const MIDDLE_STEP = 2 ** (1 / 300);

/** Of the normalised autocorrelation: below it a sound has no pitch. */
const VOICED = 0.72;

/** The first peak nearly as high as the highest is the period (McLeod and Wyvill 2005, "A smarter way to find pitch"). */
const FIRST_PEAK = 0.9;

export class VoiceColumns {
  constructor() {
    /** Columns made so far; column n lies at n % KEPT. */
    this.count = 0;
    this.time_ms = new Float64Array(KEPT);
    this.level = new Float32Array(KEPT);
    this.pitch_hz = new Float32Array(KEPT);
    this.harakah_ms = new Float32Array(KEPT);
    this.spectrum = new Uint8Array(KEPT * BANDS);
    /** The newest sounds, the oldest first. */
    this.heard = new Float32Array(WINDOW);
    /** Samples since the last column. */
    this.since = 0;
    /** Written into new columns: the reciter's tempo, 0 while unknown. */
    this.tempo_ms = 0;
    /** The middle of the voice's pitch, as a running median; 0 before its first. */
    this.middle_hz = 0;
    this.fourier = new Fourier(WINDOW);
    this.filters = melBands();
    this.low = new Float32Array(WINDOW / PITCH_EVERY);
    this.clarity = new Float32Array(LONGEST_LAG + 2);
  }

  /** @returns {number} the oldest column that is kept */
  get first() {
    return Math.max(0, this.count - KEPT + 1);
  }

  /** @param {number} column @returns {number} where its values lie */
  slot(column) {
    return column % KEPT;
  }

  clear() {
    this.count = 0;
    this.since = 0;
    this.tempo_ms = 0;
    this.middle_hz = 0;
    this.heard.fill(0);
  }

  /** @param {Float32Array} frame at `VOICE_HZ` @param {number} captured_ms epoch ms of its first sample */
  push(frame, captured_ms) {
    for (let done = 0; done < frame.length;) {
      const taken = Math.min(STEP - this.since, frame.length - done);
      this.heard.copyWithin(0, taken);
      for (let i = 0; i < taken; i++) this.heard[WINDOW - taken + i] = frame[done + i];
      done += taken;
      this.since += taken;
      if (this.since < STEP) break;
      this.since = 0;
      this.#column(captured_ms + (done * 1000) / VOICE_HZ);
    }
  }

  /** @param {number} end_ms of the window */
  #column(end_ms) {
    const slot = this.slot(this.count);
    // What a window shows is in its middle.
    this.time_ms[slot] = end_ms - (WINDOW * 500) / VOICE_HZ;
    this.level[slot] = this.#peak();
    this.harakah_ms[slot] = this.tempo_ms;
    this.fourier.power(this.heard);
    this.filters.forEach(({ first, weights }, band) => {
      let energy = 1e-12;
      for (let i = 0; i < weights.length; i++) energy += weights[i] * this.fourier.bins[first + i];
      const db = 10 * Math.log10(energy);
      const shade = (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB);
      this.spectrum[slot * BANDS + band] = 255 * Math.min(1, Math.max(0, shade));
    });
    const hz = this.#pitch();
    this.pitch_hz[slot] = hz;
    // Steps of one size toward either side come to rest in the middle, wherever the extremes are.
    if (hz > 0) this.middle_hz = this.middle_hz ? this.middle_hz * (hz > this.middle_hz ? MIDDLE_STEP : 1 / MIDDLE_STEP) : hz;
    this.count++;
  }

  #peak() {
    let peak = 0;
    for (let i = (WINDOW - STEP) >> 1; i < (WINDOW + STEP) >> 1; i++) peak = Math.max(peak, Math.abs(this.heard[i]));
    return peak;
  }

  /** @returns {number} Hz in the middle of the window, 0 where there is none */
  #pitch() {
    const { low, clarity, heard } = this;
    const count = WINDOW / PITCH_EVERY;
    let mean = 0;
    for (let i = 0; i < count; i++) {
      const at = i * PITCH_EVERY;
      low[i] = (heard[at] + heard[at + 1] + heard[at + 2] + heard[at + 3]) / 4;
      mean += low[i] / count;
    }
    let energy = 0;
    for (let i = 0; i < count; i++) {
      low[i] -= mean;
      energy += low[i] * low[i];
    }
    if (energy / count < 1e-6) return 0;
    let highest = 0;
    for (let lag = SHORTEST_LAG - 1; lag <= LONGEST_LAG + 1; lag++) {
      clarity[lag] = alike(low, count, lag);
      if (lag >= SHORTEST_LAG && lag <= LONGEST_LAG) highest = Math.max(highest, clarity[lag]);
    }
    if (highest < VOICED) return 0;
    for (let lag = SHORTEST_LAG; lag <= LONGEST_LAG; lag++) {
      const [before, here, after] = [clarity[lag - 1], clarity[lag], clarity[lag + 1]];
      if (here < FIRST_PEAK * highest || here < before || here < after) continue;
      const bend = before - 2 * here + after;
      const shift = bend < 0 ? (0.5 * (before - after)) / bend : 0;
      return VOICE_HZ / PITCH_EVERY / (lag + shift);
    }
    return 0;
  }

  /** @param {number} time_ms @returns {number} the first column at or after it, `count` when there is none yet */
  at(time_ms) {
    let [low, high] = [this.first, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time_ms[this.slot(middle)] < time_ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * How alike a sound is to itself a lag later: 1 for the same, 0 for another.
 * @param {Float32Array} sound @param {number} count @param {number} lag
 */
function alike(sound, count, lag) {
  let product = 0;
  let energy = 1e-9;
  for (let i = 0; i + lag < count; i++) {
    product += sound[i] * sound[i + lag];
    energy += sound[i] * sound[i] + sound[i + lag] * sound[i + lag];
  }
  return (2 * product) / energy;
}

/** The power spectrum of real sound under a Hann window, by a radix-2 transform without allocation. */
export class Fourier {
  /** @param {number} size a power of two */
  constructor(size) {
    this.size = size;
    this.window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / size));
    this.cosines = Float32Array.from({ length: size / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / size));
    this.sines = Float32Array.from({ length: size / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / size));
    this.order = new Uint16Array(size);
    for (let i = 1; i < size; i++) this.order[i] = (this.order[i >> 1] >> 1) | (i & 1 ? size >> 1 : 0);
    this.real = new Float32Array(size);
    this.imaginary = new Float32Array(size);
    /** Of a full-scale sine the bin of its frequency comes to 1. */
    this.bins = new Float32Array(size / 2);
  }

  /** Fills `bins`.  @param {Float32Array} sound of `size` samples */
  power(sound) {
    const { size, real, imaginary, bins } = this;
    for (let i = 0; i < size; i++) {
      real[this.order[i]] = sound[i] * this.window[i];
      imaginary[i] = 0;
    }
    for (let half = 1; half < size; half *= 2) this.#butterflies(half);
    const scale = 16 / (size * size);
    for (let i = 0; i < bins.length; i++) bins[i] = (real[i] * real[i] + imaginary[i] * imaginary[i]) * scale;
  }

  /** @param {number} half */
  #butterflies(half) {
    const { size, real, imaginary, cosines, sines } = this;
    const stride = size / (2 * half);
    for (let start = 0; start < size; start += 2 * half) {
      for (let i = 0; i < half; i++) {
        const [top, bottom] = [start + i, start + i + half];
        const [cosine, sine] = [cosines[i * stride], sines[i * stride]];
        const x = real[bottom] * cosine - imaginary[bottom] * sine;
        const y = real[bottom] * sine + imaginary[bottom] * cosine;
        real[bottom] = real[top] - x;
        imaginary[bottom] = imaginary[top] - y;
        real[top] += x;
        imaginary[top] += y;
      }
    }
  }
}

/** Triangles a mel apart.  @returns {{first: number, weights: Float32Array}[]} the lowest band first */
function melBands() {
  const mel = (/** @type {number} */ hz) => 1127 * Math.log(1 + hz / 700);
  const hz = (/** @type {number} */ mels) => 700 * (Math.exp(mels / 1127) - 1);
  const [low, high] = [mel(LOWEST_HZ), mel(HIGHEST_HZ)];
  const edge = (/** @type {number} */ i) => (hz(low + ((high - low) * i) / (BANDS + 1)) * WINDOW) / VOICE_HZ;
  return Array.from({ length: BANDS }, (_, band) => {
    const [from, middle, to] = [edge(band), edge(band + 1), edge(band + 2)];
    const first = Math.round(from);
    const weights = Float32Array.from({ length: Math.max(1, Math.ceil(to) - first) }, (_, i) => {
      const bin = first + i;
      return Math.max(0, bin < middle ? (bin - from) / (middle - from) : (to - bin) / (to - middle));
    });
    // A band narrower than the bins takes the one that is nearest.
    if (!weights.some((weight) => weight > 0.01)) weights[0] = 1;
    return { first, weights };
  });
}
