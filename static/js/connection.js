/**
 * What every way to the server has in common: feedback and control down, control and a ping every 250 ms up, one report
 * of its own loss.
 *
 * Silence on the way down is a loss too: ICE takes thirty seconds to notice a dead peer, TCP minutes.  Recovery is a new
 * connection, made by the caller.
 *
 * @typedef {import("./messages.js").Feedback} Feedback
 * @typedef {import("./messages.js").Control} Control
 * @typedef {"webrtc"|"websocket"} Way
 *
 * @typedef {object} Listener
 * @property {() => void} onopen audio and messages flow
 * @property {(message: Feedback, latency_ms: number, measured: boolean, zero_ms: number) => void} onfeedback
 *   `zero_ms` is the epoch time of sample 0
 * @property {(message: Control) => void} oncontrol
 * @property {() => void} onsuspect nothing has come for a moment: another connection may be tried while this one stands
 * @property {(reason: string) => void} onlost
 *
 * @typedef {object} Carrier what is below the messages
 * @property {() => Promise<void>} open resolves when the server has answered, rejects with a WhipError when it refused
 * @property {boolean} isOpen whether `sendText` would be taken
 * @property {(text: string) => void} sendText
 * @property {() => Promise<void>|void} hangUp called once, when the connection is closed; until the server knows
 * @property {() => void} leave in place of `hangUp`: close without a word to the server, which keeps the session
 */
import { PROTOCOL, SAMPLE_HZ } from "./messages.js";
import { RtpClock, estimatedLatency } from "./rtp_clock.js";

const PING_MS = 250;

/** How often it is asked how long nothing has come. */
const LOOK_MS = 100;

/** Two pings without an answer, and seven feedbacks missing.  A phone's radio may only nap: the connection stays. */
const SUSPECT_MS = 500;

/** Six pings without an answer. */
const SILENCE_MS = 1500;

/** In place of every deadline to be open, where a session is taken up again: the next try may find the network back. */
const RESUME_DEADLINE_MS = 2500;

/** Who extends it is its carrier. */
export class Connection {
  /**
   * @param {Way} way @param {string} token empty for none @param {Listener} listener
   * @param {string} resume token of the session to take up, empty for a new one
   */
  constructor(way, token, listener, resume) {
    this.way = way;
    this.token = token;
    this.resume = resume;
    /** @type {Carrier} */
    this.carrier = /** @type {any} */ (this);
    this.listener = listener;
    this.clock = new RtpClock();
    this.closed = false;
    /** It was open once. */
    this.stood = false;
    this.roundTrip = NaN;
    this.heardAt = 0;
    this.pingedAt = 0;
    this.suspected = false;
    /** When the server knows that it is over, or will not. */
    this.gone = Promise.resolve();
    /** @type {ReturnType<typeof setInterval>|undefined} */
    this.pinging = undefined;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.deadline = undefined;
  }

  /** @param {object} message */
  send(message) {
    if (this.carrier.isOpen) this.carrier.sendText(JSON.stringify({ v: PROTOCOL, ...message }));
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.pinging);
    clearTimeout(this.deadline);
    this.gone = Promise.resolve(this.carrier.hangUp());
    this.clock.close();
  }

  /** Closes without a word, so that another connection can go on with the session. */
  leave() {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.pinging);
    clearTimeout(this.deadline);
    this.carrier.leave();
    this.clock.close();
  }

  /** A new session is to be open within `wait_ms`, in place of any deadline before.  @param {number} wait_ms */
  openWithin(wait_ms) {
    clearTimeout(this.deadline);
    if (this.closed || this.stood) return;
    this.deadline = setTimeout(() => this.lost("deadline"), this.resume ? RESUME_DEADLINE_MS : wait_ms);
  }

  opened() {
    if (this.closed) return;
    clearTimeout(this.deadline);
    this.stood = true;
    this.heardAt = performance.now();
    this.pinging = setInterval(() => this.#look(), LOOK_MS);
    this.#look();
    this.listener.onopen();
  }

  /** @param {string} reason */
  lost(reason) {
    if (this.closed) return;
    // A goodbye that arrived late would end the session that another connection is about to take up.
    if (this.stood) this.leave();
    else this.close();
    this.listener.onlost(reason);
  }

  /** Takes a message of either kind; what is none is passed over.  @param {string} text */
  take(text) {
    const arrived = performance.timeOrigin + performance.now();
    const message = parse(text);
    if (!message || this.closed) return;
    this.heardAt = performance.now();
    if (message.type === "feedback") this.#takeFeedback(message, arrived);
    else this.#takeControl(message);
  }

  /** Something says that the way to the server may be gone. */
  suspect() {
    if (this.closed || !this.stood || this.suspected) return;
    this.suspected = true;
    this.listener.onsuspect();
  }

  #look() {
    const now = performance.now();
    // Timers of a hidden page run once a second or less, so silence is only judged while the page is seen.
    if (document.visibilityState === "hidden") this.heardAt = now;
    const silent_ms = now - this.heardAt;
    if (silent_ms > SILENCE_MS) {
      this.lost("silence");
      return;
    }
    if (silent_ms > SUSPECT_MS) this.suspect();
    else this.suspected = false;
    if (now - this.pingedAt < PING_MS) return;
    this.pingedAt = now;
    this.send({ type: "ping", t: now });
  }

  /** @param {Feedback} message @param {number} arrived epoch ms */
  #takeFeedback(message, arrived) {
    const captured = this.clock.capturedAt(message.rtp);
    const measured = !Number.isNaN(captured);
    const latency = measured ? arrived - captured : estimatedLatency(this.roundTrip, message.stamps);
    const zero = arrived - latency - (message.sample * 1000) / SAMPLE_HZ;
    this.listener.onfeedback(message, latency, measured, zero);
  }

  /** @param {Control} message */
  #takeControl(message) {
    if (message.type === "pong") {
      const sample = performance.now() - message.t;
      // Smoothed as TCP smooths its round-trip time (RFC 6298, section 2).
      this.roundTrip = Number.isNaN(this.roundTrip) ? sample : this.roundTrip + (sample - this.roundTrip) / 8;
    }
    this.listener.oncontrol(message);
  }
}

/** @param {string} data @returns {any} a message of our protocol version, or null */
function parse(data) {
  try {
    const message = JSON.parse(data);
    return message && message.v === PROTOCOL ? message : null;
  } catch {
    return null;
  }
}
