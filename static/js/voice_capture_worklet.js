/** Hands the page the sound of its input in frames of 20 ms, as Float32Array, at the rate that the page asks for. */
import { FRAME_MS } from "./frames.js";
import { Resampler } from "./resampler.js";

const scope = /** @type {any} */ (globalThis);

/** In place of an input that is away: its time counts too. */
const SILENCE = new Float32Array(128);

class VoiceCapture extends scope.AudioWorkletProcessor {
  /** @param {{processorOptions: {hz: number}}} options */
  constructor({ processorOptions: { hz } }) {
    super();
    this.resampler = new Resampler(scope.sampleRate, hz);
    this.frame = new Float32Array((hz * FRAME_MS) / 1000);
    this.filled = 0;
    this.running = true;
    this.port.onmessage = () => (this.running = false);
    this.keep = (/** @type {number} */ sample) => {
      this.frame[this.filled++] = sample;
      if (this.filled === this.frame.length) this.#post();
    };
  }

  /** @param {Float32Array[][]} inputs one of one channel, or of none @returns {boolean} whether to be called again */
  process([[voice = SILENCE]]) {
    this.resampler.push(voice, this.keep);
    return this.running;
  }

  #post() {
    const frame = this.frame.slice();
    this.filled = 0;
    this.port.postMessage(frame, [frame.buffer]);
  }
}

scope.registerProcessor("voice-capture", VoiceCapture);
