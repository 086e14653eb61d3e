/**
 * The reciter's own sound of the last session, kept in this page's memory and nowhere else, so that a slip can be
 * heard again.  Spans are in epoch milliseconds of capture.
 */

/** Added around a word so that its first and last sounds are not cut. */
const MARGIN_MS = 180;

/** Opus at this rate keeps a ten-minute session under 5 MB. */
const BITS_PER_SECOND = 64000;

const FADE_S = 0.015;

export class OwnVoice {
  /** @param {AudioContext} context */
  constructor(context) {
    this.context = context;
    /** @type {MediaRecorder|null} */
    this.recorder = null;
    /** @type {Blob[]} */
    this.parts = [];
    this.startedAt = 0;
    /** @type {Promise<void>} */
    this.finished = Promise.resolve();
    /** @type {AudioBuffer|null} */
    this.buffer = null;
    /** @type {AudioBufferSourceNode|null} */
    this.playing = null;
  }

  /** Forgets what was kept and records `stream`.  @param {MediaStream} stream */
  record(stream) {
    this.hush();
    this.parts = [];
    this.buffer = null;
    if (typeof MediaRecorder === "undefined") return;
    const recorder = new MediaRecorder(stream, { audioBitsPerSecond: BITS_PER_SECOND });
    recorder.onstart = () => (this.startedAt = performance.timeOrigin + performance.now());
    recorder.ondataavailable = (event) => this.parts.push(event.data);
    this.finished = new Promise((resolve) => (recorder.onstop = () => resolve()));
    recorder.start();
    this.recorder = recorder;
  }

  /** @returns {Promise<void>} when the recording is whole */
  async finish() {
    if (this.recorder && this.recorder.state !== "inactive") this.recorder.stop();
    this.recorder = null;
    await this.finished;
  }

  /** @returns {boolean} whether there is something to hear, and no recording going on that it would disturb */
  get ready() {
    return this.recorder === null && this.parts.length > 0;
  }

  /** @param {number} from_ms @param {number} to_ms @param {() => void} onend */
  async play(from_ms, to_ms, onend) {
    this.hush();
    if (!this.ready) return;
    await this.context.resume();
    this.buffer ??= await this.context.decodeAudioData(await new Blob(this.parts).arrayBuffer());
    const from = Math.max(0, (from_ms - MARGIN_MS - this.startedAt) / 1000);
    const length = (to_ms - from_ms + 2 * MARGIN_MS) / 1000;
    const source = this.context.createBufferSource();
    const gain = this.context.createGain();
    const now = this.context.currentTime;
    gain.gain.setValueAtTime(0, now);
    gain.gain.linearRampToValueAtTime(1, now + FADE_S);
    gain.gain.setValueAtTime(1, now + Math.max(FADE_S, length - FADE_S));
    gain.gain.linearRampToValueAtTime(0, now + length);
    source.buffer = this.buffer;
    source.connect(gain).connect(this.context.destination);
    source.onended = () => {
      gain.disconnect();
      if (this.playing === source) this.playing = null;
      onend();
    };
    source.start(now, from, length);
    this.playing = source;
  }

  hush() {
    this.playing?.stop();
    this.playing = null;
  }
}
