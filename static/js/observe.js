/**
 * What tests and the curious can read: `window.talaqqi`, two arrays that keep their newest entries, and the page's
 * frame times.
 *
 * @typedef {{latencies: number[], litLatencies: number[], wordLatencies: number[],
 *   latencySource: "measured"|"estimated"|"none", transport: "webrtc"|"websocket"|"none",
 *   events: object[], frames: {p95_ms: number, work_p95_ms: number},
 *   sound: (from_ms: number, to_ms: number) => Float32Array}} Observed
 */

const KEPT = 2000;

/** @type {Observed} */
export const observed = {
  /** ms from the capture of the newest sound judged to its feedback, one a message */
  latencies: [],
  /** ms from the capture of a word's last sound until the cursor was on its last phone; below 0 before the sound ended */
  litLatencies: [],
  /** ms from the capture of a word's last sound to its verdict */
  wordLatencies: [],
  latencySource: "none",
  /** of the newest connection that stood */
  transport: "none",
  /** `{t, type, ...}`, `t` in ms since the page was opened */
  events: [],
  /** times between frames, and the page's own work in each */
  frames: { p95_ms: 0, work_p95_ms: 0 },
  /** the reciter's own sound between two epoch ms, 16 kHz, as far as this page remembers it */
  sound: () => new Float32Array(0),
};

/** @param {"latencies"|"litLatencies"|"wordLatencies"} series @param {number} ms */
export function noteLatency(series, ms) {
  if (Number.isNaN(ms)) return;
  keep(observed[series], ms);
}

/** @param {string} type @param {object} [detail] */
export function noteEvent(type, detail) {
  keep(observed.events, { t: performance.now(), type, ...detail });
}

/** @template T @param {T[]} list @param {T} entry */
function keep(list, entry) {
  list.push(entry);
  if (list.length > KEPT) list.splice(0, KEPT / 4);
}

/** 95th percentiles of the times between frames and of the work in each, over the newest few seconds. */
export class FrameTimes {
  constructor() {
    this.gaps = new Float64Array(300);
    this.work = new Float64Array(300);
    this.begun = 0;
    this.sorted = new Float64Array(300);
    this.count = 0;
    this.last = 0;
  }

  /** @param {number} now ms, once a frame */
  frame(now) {
    if (this.last) this.gaps[this.count++ % this.gaps.length] = now - this.last;
    this.last = now;
    this.begun = performance.now();
  }

  /** The work of the frame is done. */
  done() {
    this.work[this.count % this.work.length] = performance.now() - this.begun;
  }

  /** A gap in which no frames were asked for is not a slow frame. */
  pause() {
    this.last = 0;
  }

  /** @returns {number} ms, NaN before the first full window */
  get p95_ms() {
    return this.#p95(this.gaps);
  }

  /** @returns {number} ms, NaN before the first full window */
  get work_p95_ms() {
    return this.#p95(this.work);
  }

  /** @param {Float64Array} times */
  #p95(times) {
    if (this.count < times.length) return NaN;
    this.sorted.set(times);
    this.sorted.sort();
    return this.sorted[Math.floor(this.sorted.length * 0.95)];
  }
}

Object.assign(globalThis, { talaqqi: observed });
