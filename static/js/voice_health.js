/**
 * What ails a microphone, by the peaks and the energy of what it gives: no DOM, no clock.
 *
 * @typedef {"dead"|"quiet"|"clipping"|"noisy"} Ailment nothing but zeros; too low a voice; cut peaks; noise beside it
 */

/** Each judgement looks at so much sound. */
const LOOKED_AT_S = 3;

/** A microphone that works is never at exactly nothing for so long. */
const DEAD_S = 2;

/** So that one loud moment does not bring advice, nor a quiet one take it away. */
const TWICE = 2;

/** Full scale, with a bit to spare for resampling. */
const CUT = 0.985;
const CUT_SHARE = 0.002;

/** The voice by its louder parts, the noise by its quietest. */
const VOICE_PERCENTILE = 0.9;
const NOISE_PERCENTILE = 0.1;

/** dBFS.  Below the second there is no voice at all, and whoever does not speak is not too quiet. */
const QUIET_DB = -47;
const SILENT_DB = -65;

/** Below this a voice drowns, dB. */
const LEAST_RATIO_DB = 10;
const LOUD_NOISE_DB = -45;

export class VoiceHealth {
  /** @param {number} hz of the sound */
  constructor(hz) {
    this.hz = hz;
    this.zeros = 0;
    this.samples = 0;
    this.cut = 0;
    /** Energies of the frames looked at, dBFS. @type {number[]} */
    this.energies = [];
    /** @type {Ailment|null} */
    this.last = null;
    this.times = 0;
    /** What ails it now. @type {Ailment|null} */
    this.ailment = null;
  }

  /** @param {Float32Array} frame @returns {boolean} whether `ailment` changed */
  push(frame) {
    let energy = 0;
    let peak = 0;
    for (let i = 0; i < frame.length; i++) {
      const size = Math.abs(frame[i]);
      energy += size * size;
      if (size > peak) peak = size;
      if (size >= CUT) this.cut++;
    }
    this.samples += frame.length;
    this.zeros = peak === 0 ? this.zeros + frame.length : 0;
    this.energies.push(10 * Math.log10(energy / frame.length + 1e-12));
    if (this.zeros >= DEAD_S * this.hz) return this.#take("dead", true);
    if (this.ailment === "dead" && peak > 0) return this.#take(null, true);
    if (this.samples < LOOKED_AT_S * this.hz) return false;
    const found = this.#judge();
    this.samples = this.cut = this.energies.length = 0;
    return this.#take(found, false);
  }

  /** @returns {Ailment|null} */
  #judge() {
    this.energies.sort((a, b) => a - b);
    const at = (/** @type {number} */ share) => this.energies[Math.floor(share * (this.energies.length - 1))];
    const voice = at(VOICE_PERCENTILE);
    const noise = at(NOISE_PERCENTILE);
    if (this.cut > CUT_SHARE * this.samples) return "clipping";
    if (voice < SILENT_DB) return null;
    if (noise > LOUD_NOISE_DB && voice - noise < LEAST_RATIO_DB) return "noisy";
    return voice < QUIET_DB ? "quiet" : null;
  }

  /** @param {Ailment|null} found @param {boolean} certain @returns {boolean} */
  #take(found, certain) {
    this.times = found === this.last ? this.times + 1 : 1;
    this.last = found;
    if (found === this.ailment || (!certain && this.times < TWICE)) return false;
    this.ailment = found;
    return true;
  }
}
