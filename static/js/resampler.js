/**
 * Another sampling rate, a block at a time, by a windowed sinc (J. O. Smith, "Digital Audio Resampling").  Sample n that
 * comes out is the sound of n / to seconds, and comes as soon as the sound around it is there: two milliseconds later.
 */

/** Of the sinc, on each side.  The band that is lost below half the lower rate is as wide as four of them make it. */
const ZERO_CROSSINGS = 32;

/** Of half the lower rate; the rest is the filter's slope. */
const PASSED = 0.94;

export class Resampler {
  /** @param {number} from Hz @param {number} to Hz */
  constructor(from, to) {
    const divisor = greatestDivisor(from, to);
    /** Sample n that comes out lies at n × down / up of those that went in. */
    this.up = to / divisor;
    this.down = from / divisor;
    const band = Math.min(1, to / from) * PASSED;
    this.half = Math.ceil(ZERO_CROSSINGS / band);
    this.kernels = from === to ? null : kernels(this.up, this.half, band);
    /** What went in and is still needed; before the first sample there was silence. */
    this.held = new Float32Array(2 * this.half);
    this.filled = this.half - 1;
    /** Of the next sample out: its place in `held`, and the part of a sample beyond, in 1/up. */
    this.place = this.half - 1;
    this.phase = 0;
  }

  /** @param {Float32Array} block any length @param {(sample: number) => void} emit called for each that comes out */
  push(block, emit) {
    if (this.kernels === null) {
      for (let i = 0; i < block.length; i++) emit(block[i]);
      return;
    }
    this.#hold(block);
    const taps = 2 * this.half;
    while (this.place + this.half < this.filled) {
      const first = this.place - this.half + 1;
      const kernel = this.phase * taps;
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += this.held[first + tap] * this.kernels[kernel + tap];
      emit(sum);
      this.phase += this.down;
      this.place += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
  }

  /** @param {Float32Array} block */
  #hold(block) {
    const done = Math.min(this.place - this.half + 1, this.filled);
    this.held.copyWithin(0, done, this.filled);
    this.filled -= done;
    this.place -= done;
    if (this.filled + block.length > this.held.length) {
      const longer = new Float32Array(this.filled + block.length);
      longer.set(this.held.subarray(0, this.filled));
      this.held = longer;
    }
    this.held.set(block, this.filled);
    this.filled += block.length;
  }
}

/**
 * @param {number} phases @param {number} half taps on each side @param {number} band of half the rate that goes in
 * @returns {Float32Array} 2 × half taps for each phase, whose sum is 1
 */
function kernels(phases, half, band) {
  const taps = 2 * half;
  const all = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase++) {
    const kernel = all.subarray(phase * taps, (phase + 1) * taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const away = tap - half + 1 - phase / phases;
      const window = Math.abs(away) < half ? 0.5 + 0.5 * Math.cos((Math.PI * away) / half) : 0;
      kernel[tap] = sinc(band * away) * window;
      sum += kernel[tap];
    }
    for (let tap = 0; tap < taps; tap++) kernel[tap] /= sum;
  }
  return all;
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** @param {number} a @param {number} b @returns {number} */
function greatestDivisor(a, b) {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
