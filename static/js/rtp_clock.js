/**
 * When was the sound of an RTP timestamp captured?  Chromium's encoded transform tells, packet by packet, so feedback
 * that names an RTP timestamp gives the latency exactly, with no clock shared with the server.  Where the browser
 * cannot tell, latency is estimated from the ping round trip and the server's own stamps, and labelled so.
 */
import { RTP_HZ } from "./messages.js";

const KEPT = 512;
const READY_DEADLINE_MS = 1000;

/** Capture buffer, packet and jitter in a browser's send path, ms; only in the estimate. */
const SEND_PATH_MS = 35;

/** @type {Map<number, RtpClock>} clocks in use, by the number their packets are labelled with */
const clocks = new Map();
let nextLabel = 0;

/** @type {Promise<Worker|null>|undefined} */
let started;

/**
 * The page's one worker, or null where the browser has no encoded transform.  It is waited for before it is used: a
 * transform whose worker never starts would hold all audio back.
 * @returns {Promise<Worker|null>}
 */
export function rtpWorker() {
  started ??= new Promise((resolve) => {
    if (!("RTCRtpScriptTransform" in globalThis)) return resolve(null);
    const worker = new Worker(new URL("./rtp_clock_worker.js", import.meta.url), { type: "module" });
    const timer = setTimeout(() => resolve(null), READY_DEADLINE_MS);
    worker.onerror = () => resolve(null);
    worker.onmessage = ({ data }) => {
      if (data !== "ready") return clocks.get(data[0])?.note(data[1], data[2]);
      clearTimeout(timer);
      resolve(worker);
    };
  });
  return started;
}

export class RtpClock {
  constructor() {
    this.rtp = new Float64Array(KEPT);
    this.time = new Float64Array(KEPT);
    this.count = 0;
    this.label = nextLabel++;
  }

  /**
   * Measures `sender` from now on.  Chromium takes a transform only in the same turn in which the sender was made;
   * later it is accepted and never called.
   * @param {RTCRtpSender} sender @param {Worker|null} worker
   */
  attach(sender, worker) {
    if (!worker) return;
    clocks.set(this.label, this);
    /** @type {any} */ (sender).transform = new RTCRtpScriptTransform(worker, { label: this.label });
  }

  /** @param {number} rtp @param {number} time epoch ms */
  note(rtp, time) {
    this.rtp[this.count % KEPT] = rtp;
    this.time[this.count % KEPT] = time;
    this.count++;
  }

  /** @param {number} rtp @returns {number} epoch ms at which the sound of `rtp` was captured, NaN if unknown */
  capturedAt(rtp) {
    const held = Math.min(this.count, KEPT);
    for (let back = 1; back <= held; back++) {
      const slot = (this.count - back) % KEPT;
      // RTP timestamps wrap at 2^32; the shift brings the difference to the signed range.
      const ahead = (rtp - this.rtp[slot]) | 0;
      if (ahead >= 0) return ahead < RTP_HZ / 2 ? this.time[slot] + (ahead * 1000) / RTP_HZ : NaN;
    }
    return NaN;
  }

  close() {
    clocks.delete(this.label);
  }
}

/** @param {number} roundTrip_ms @param {readonly number[]} stamps @returns {number} */
export function estimatedLatency(roundTrip_ms, stamps) {
  return SEND_PATH_MS + roundTrip_ms + Math.max(0, stamps[2] - stamps[0]);
}

/** The median and the least of the newest values, without allocation. */
export class RunningMedian {
  /** @param {number} size */
  constructor(size) {
    this.values = new Float64Array(size);
    this.sorted = new Float64Array(size);
    this.count = 0;
  }

  /** @param {number} value */
  push(value) {
    this.values[this.count % this.values.length] = value;
    this.count++;
  }

  /** @returns {number} NaN while empty */
  get median() {
    return this.#rank(Math.min(this.count, this.values.length) >> 1);
  }

  /** @returns {number} NaN while empty */
  get least() {
    return this.#rank(0);
  }

  /** @param {number} rank from 0 */
  #rank(rank) {
    const held = Math.min(this.count, this.values.length);
    if (!held) return NaN;
    this.sorted.fill(Infinity);
    this.sorted.set(this.values.subarray(0, held));
    this.sorted.sort();
    return this.sorted[rank];
  }

  clear() {
    this.count = 0;
  }
}
