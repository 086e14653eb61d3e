/**
 * One peer connection to the server: the microphone up, feedback and control down, a ping every 250 ms.
 *
 * It reports its own loss once, by silence on the control channel as well as by the connection's state: ICE takes
 * thirty seconds to notice a dead peer.  Recovery is a new connection, made by the caller.
 *
 * @typedef {import("./messages.js").Feedback} Feedback
 * @typedef {import("./messages.js").Control} Control
 *
 * @typedef {object} Listener
 * @property {() => void} onopen audio and both channels are up
 * @property {(message: Feedback, latency_ms: number, measured: boolean, zero_ms: number) => void} onfeedback
 *   `zero_ms` is the epoch time of sample 0
 * @property {(message: Control) => void} oncontrol
 * @property {(reason: string) => void} onlost
 */
import { PROTOCOL, SAMPLE_HZ } from "./messages.js";
import { RtpClock, estimatedLatency, rtpWorker } from "./rtp_clock.js";
import { WhipSession, iceServers } from "./whip.js";

const PING_MS = 250;

/** Six pings without an answer.  Shorter would drop calls whenever a phone's radio naps. */
const SILENCE_MS = 1500;

const CONNECT_DEADLINE_MS = 10000;

export class Connection {
  /** @param {MediaStream} stream @param {string} verses @param {string} token @param {Listener} listener */
  constructor(stream, verses, token, listener) {
    this.stream = stream;
    this.token = token;
    this.listener = listener;
    this.peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.feedback = this.peer.createDataChannel("feedback", {
      negotiated: true,
      id: 0,
      ordered: false,
      maxRetransmits: 0,
    });
    this.control = this.peer.createDataChannel("control", { negotiated: true, id: 1 });
    this.whip = new WhipSession(this.peer, `/whip?verses=${encodeURIComponent(verses)}`, token);
    this.clock = new RtpClock();
    this.closed = false;
    this.roundTrip = NaN;
    this.heardAt = 0;
    /** @type {ReturnType<typeof setInterval>|undefined} */
    this.pinging = undefined;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.deadline = undefined;
    this.feedback.onmessage = (event) => this.#take(event.data);
    this.control.onmessage = (event) => this.#takeControl(event.data);
    this.control.onopen = () => this.#opened();
    this.control.onclose = () => this.#lost("channel");
    this.peer.onconnectionstatechange = () => {
      if (this.peer.connectionState === "failed" || this.peer.connectionState === "closed") this.#lost("connection");
    };
  }

  /** @returns {Promise<void>} resolves when the server has answered @throws {import("./whip.js").WhipError} */
  async open() {
    const [track] = this.stream.getAudioTracks();
    const [worker, servers] = await Promise.all([rtpWorker(), iceServers(this.token)]);
    if (this.closed) return;
    if (servers.length) this.peer.setConfiguration({ iceServers: servers, bundlePolicy: "max-bundle" });
    const { sender } = this.peer.addTransceiver(track, { direction: "sendonly", streams: [this.stream] });
    this.clock.attach(sender, worker);
    this.deadline = setTimeout(() => this.#lost("deadline"), CONNECT_DEADLINE_MS);
    try {
      await this.whip.open();
    } catch (error) {
      this.close();
      throw error;
    }
    if (this.closed) void this.whip.close();
  }

  /** @param {object} message */
  send(message) {
    if (this.control.readyState === "open") this.control.send(JSON.stringify({ v: PROTOCOL, ...message }));
  }

  close() {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.pinging);
    clearTimeout(this.deadline);
    // In this order: a server that sees the connection closed first no longer knows the session.
    void this.whip.close().then(() => this.peer.close());
    this.clock.close();
  }

  #opened() {
    clearTimeout(this.deadline);
    this.heardAt = performance.now();
    this.pinging = setInterval(() => this.#ping(), PING_MS);
    this.#ping();
    this.listener.onopen();
  }

  #ping() {
    const now = performance.now();
    // Timers of a hidden page run once a second or less, so silence is only judged while the page is seen.
    if (document.visibilityState === "hidden") this.heardAt = now;
    if (now - this.heardAt > SILENCE_MS) this.#lost("silence");
    else this.send({ type: "ping", t: now });
  }

  /** @param {string} reason */
  #lost(reason) {
    if (this.closed) return;
    this.close();
    this.listener.onlost(reason);
  }

  /** @param {string} data */
  #take(data) {
    const arrived = performance.timeOrigin + performance.now();
    const message = parse(data);
    if (message?.type !== "feedback" || this.closed) return;
    this.heardAt = performance.now();
    const captured = this.clock.capturedAt(message.rtp);
    const measured = !Number.isNaN(captured);
    const latency = measured ? arrived - captured : estimatedLatency(this.roundTrip, message.stamps);
    const zero = arrived - latency - (message.sample * 1000) / SAMPLE_HZ;
    this.listener.onfeedback(message, latency, measured, zero);
  }

  /** @param {string} data */
  #takeControl(data) {
    const message = parse(data);
    if (!message || this.closed) return;
    this.heardAt = performance.now();
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
