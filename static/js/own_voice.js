/**
 * The reciter's own sound of the newest session, kept in this page's memory and nowhere else, so that a slip can be
 * seen and heard again.  Ten minutes of it are kept, the oldest goes first.  Times are epoch milliseconds of capture.
 */
import { FRAME_MS } from "./frames.js";
import { VoiceCapture, loadVoiceCapture } from "./voice_capture.js";

/** What the judge hears too. */
export const VOICE_HZ = 16000;

const KEPT_S = 600;

/** A second: each has the time of its first sample, so that a device's clock that strays is followed. */
const BLOCK_SAMPLES = VOICE_HZ;

/** Heard around a word so that its first and last sounds are not cut. */
const MARGIN_MS = 180;

const FADE_S = 0.015;

/** @typedef {{start_ms: number, samples: Int16Array, filled: number}} Block */

export class Recording {
  constructor() {
    /** @type {Block[]} in order of time; between two of them there may be a gap, as after a phone call */
    this.blocks = [];
  }

  /** @returns {boolean} */
  get isEmpty() {
    return this.blocks.length === 0;
  }

  /** @param {Float32Array} frame at `VOICE_HZ`, from -1 to 1; louder is clipped @param {number} captured_ms its start */
  push(frame, captured_ms) {
    let block = this.blocks.at(-1);
    const gap = block ? captured_ms - timeIn(block, block.filled) : 0;
    if (!block || block.filled + frame.length > BLOCK_SAMPLES || gap > 5 * FRAME_MS) {
      const oldest = this.blocks.length >= KEPT_S ? this.blocks.shift() : undefined;
      block = { start_ms: captured_ms, samples: oldest?.samples ?? new Int16Array(BLOCK_SAMPLES), filled: 0 };
      this.blocks.push(block);
    }
    for (let i = 0; i < frame.length; i++) {
      block.samples[block.filled + i] = Math.max(-32768, Math.min(32767, Math.round(frame[i] * 32768)));
    }
    block.filled += frame.length;
  }

  /**
   * @param {number} from_ms @param {number} to_ms
   * @returns {Float32Array<ArrayBuffer>} the sound between them, silence where there is none
   */
  slice(from_ms, to_ms) {
    const sound = new Float32Array(Math.max(0, Math.round(((to_ms - from_ms) * VOICE_HZ) / 1000)));
    for (const block of this.blocks) {
      const place = Math.round(((block.start_ms - from_ms) * VOICE_HZ) / 1000);
      const first = Math.max(0, -place);
      const last = Math.min(block.filled, sound.length - place);
      for (let i = first; i < last; i++) sound[place + i] = block.samples[i] / 32768;
    }
    return sound;
  }
}

/** @param {Block} block @param {number} sample @returns {number} epoch ms */
function timeIn(block, sample) {
  return block.start_ms + (sample * 1000) / VOICE_HZ;
}

export class OwnVoice {
  /** @param {AudioContext} context @param {(frame: Float32Array<ArrayBuffer>, captured_ms: number) => void} onframe */
  constructor(context, onframe) {
    this.context = context;
    this.onframe = onframe;
    this.recording = new Recording();
    /** @type {VoiceCapture|null} */
    this.capture = null;
    /** Counts what was begun, so that a late answer of the browser finds out that it is late. */
    this.turn = 0;
    /** @type {{source: AudioBufferSourceNode, begun_s: number, from_ms: number}|null} what is heard now */
    this.playing = null;
  }

  /** Forgets what was kept and records `stream`.  @param {MediaStream} stream */
  async record(stream) {
    this.hush();
    this.finish();
    this.recording = new Recording();
    const turn = ++this.turn;
    await loadVoiceCapture(this.context);
    if (turn !== this.turn) return;
    this.capture = new VoiceCapture(this.context, stream, VOICE_HZ, (frame, captured_ms) => {
      this.recording.push(frame, captured_ms);
      this.onframe(frame, captured_ms);
    });
  }

  finish() {
    this.turn++;
    this.capture?.close();
    this.capture = null;
  }

  /** @returns {boolean} whether there is something to hear, and no recording going on that it would disturb */
  get ready() {
    return this.capture === null && !this.recording.isEmpty;
  }

  /** @param {number} from_ms @param {number} to_ms @param {() => void} onend */
  async play(from_ms, to_ms, onend) {
    this.hush();
    if (!this.ready) return;
    await this.context.resume();
    const { source, gain } = this.#sourceOf(from_ms - MARGIN_MS, to_ms + MARGIN_MS);
    source.onended = () => {
      gain.disconnect();
      if (this.playing?.source === source) this.playing = null;
      onend();
    };
    const begun_s = this.context.currentTime;
    source.start(begun_s);
    this.playing = { source, begun_s, from_ms: from_ms - MARGIN_MS };
  }

  /** @param {number} from_ms @param {number} to_ms @returns {{source: AudioBufferSourceNode, gain: GainNode}} */
  #sourceOf(from_ms, to_ms) {
    const sound = this.recording.slice(from_ms, to_ms);
    const buffer = this.context.createBuffer(1, Math.max(1, sound.length), VOICE_HZ);
    buffer.copyToChannel(sound, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    const gain = this.context.createGain();
    const now = this.context.currentTime;
    const end = now + buffer.duration;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + FADE_S);
    gain.gain.setValueAtTime(1, Math.max(now + FADE_S, end - FADE_S));
    gain.gain.linearRampToValueAtTime(0, end);
    source.connect(gain).connect(this.context.destination);
    return { source, gain };
  }

  /** @returns {number} epoch ms at which the sound that is heard now was recorded, NaN while none is */
  get playhead_ms() {
    if (!this.playing) return NaN;
    return this.playing.from_ms + Math.max(0, heardTime(this.context) - this.playing.begun_s) * 1000;
  }

  hush() {
    this.playing?.source.stop();
    this.playing = null;
  }
}

/**
 * The context's time of the sound that leaves the loudspeaker now; what it has made and the device still holds is
 * later.
 * @param {AudioContext} context @returns {number} seconds
 */
function heardTime(context) {
  const { contextTime, performanceTime } = context.getOutputTimestamp();
  if (contextTime && performanceTime) {
    const heard = contextTime + (performance.now() - performanceTime) / 1000;
    return Math.min(heard, context.currentTime);
  }
  return context.currentTime - (context.outputLatency || context.baseLatency || 0);
}
