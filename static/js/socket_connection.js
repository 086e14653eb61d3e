/**
 * A session over a WebSocket, for networks that let no UDP through: audio in binary frames, messages as text, all in one
 * TCP connection (docs/protocol.md, "WebSocket").
 */
import { bearing } from "./bearing.js";
import { Connection } from "./connection.js";
import { FrameSender, KIND_HZ, OPUS, PCM, samplesPerFrame } from "./frames.js";
import { RTP_HZ } from "./messages.js";
import { OpusEncoder, encodesOpus } from "./opus_encoder.js";
import { VoiceCapture, loadVoiceCapture } from "./voice_capture.js";
import { WhipError, refusal, sessionQuery } from "./whip.js";

const SUBPROTOCOL = "talaqqi.v1";
const OPEN_DEADLINE_MS = 10000;
const GOODBYE = 1000;
const ASK_DEADLINE_MS = 5000;
const AGAIN_S = 3;

/** @typedef {import("./connection.js").Carrier} Carrier */

/** @implements {Carrier} */
export class SocketConnection extends Connection {
  /**
   * @param {import("./voice_source.js").VoiceSource} source @param {string} verses @param {string} token
   * @param {import("./connection.js").Listener} listener @param {string} [resume] token of the session to take up
   */
  constructor(source, verses, token, listener, resume = "") {
    super("websocket", token, listener, resume);
    this.source = source;
    this.verses = verses;
    /** @type {WebSocket|null} */
    this.socket = null;
    /** @type {VoiceCapture|null} */
    this.voice = null;
    /** @type {OpusEncoder|null} */
    this.encoder = null;
  }

  /** @returns {Promise<void>} resolves when a session is open @throws {WhipError} */
  async open() {
    this.openWithin(OPEN_DEADLINE_MS);
    const context = /** @type {AudioContext} */ (this.source.node.context);
    const [opus] = await Promise.all([encodesOpus(), loadVoiceCapture(context)]);
    if (this.closed) return;
    const socket = new WebSocket(socketAddress(this.verses, this.resume), subprotocols(this.token));
    this.socket = socket;
    socket.onmessage = ({ data }) => this.take(data);
    const stands = await new Promise((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onclose = () => resolve(false);
    });
    if (this.closed) return;
    if (!stands) {
      this.close();
      throw await whyRefused(this.token);
    }
    socket.onclose = ({ code }) => this.lost(`closed ${code}`);
    this.#speak(context, socket, opus ? OPUS : PCM);
    this.opened();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** @param {string} text */
  sendText(text) {
    this.socket?.send(text);
  }

  hangUp() {
    this.voice?.close();
    this.encoder?.close();
    this.socket?.close(GOODBYE);
  }

  leave() {
    // The browser closes the socket as it goes away, which is no goodbye.
    this.voice?.close();
    this.encoder?.close();
  }

  /** @param {AudioContext} context @param {WebSocket} socket @param {import("./frames.js").Kind} kind */
  #speak(context, socket, kind) {
    const sender = new FrameSender(kind, socket);
    if (kind === OPUS) this.encoder = new OpusEncoder((packet) => sender.send(packet), () => this.lost("encoder"));
    const step = samplesPerFrame(kind) * (RTP_HZ / KIND_HZ[kind]);
    let rtp = 0;
    this.voice = new VoiceCapture(context, this.source.stream, KIND_HZ[kind], (samples, captured_ms) => {
      this.clock.note(rtp, captured_ms);
      rtp = (rtp + step) % 2 ** 32;
      if (this.encoder) this.encoder.encode(samples);
      else sender.send(samples);
    });
  }
}

/** @param {string} verses @param {string} [resume] @returns {URL} */
export function socketAddress(verses, resume = "") {
  const address = new URL(`/ws?${sessionQuery(verses, resume)}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address;
}

/** @param {string} token empty for none @returns {string[]} */
export function subprotocols(token) {
  return token ? [SUBPROTOCOL, `bearer.${token}`] : [SUBPROTOCOL];
}

/** A browser does not tell its page why no WebSocket was opened; the server tells when asked.  @param {string} token */
async function whyRefused(token) {
  const asked = { cache: /** @type {const} */ ("no-store"), signal: AbortSignal.timeout(ASK_DEADLINE_MS) };
  try {
    const answers = [fetch("/api/me", { ...asked, headers: bearing(token) }), fetch("/readyz", asked)];
    for (const answer of await Promise.all(answers)) {
      if (!answer.ok) return refusal(answer);
    }
  } catch (error) {
    return new WhipError(0, String(error), AGAIN_S);
  }
  // A token for one session that is known and was refused has been used.
  if (token.startsWith("once.")) return new WhipError(401, "this session token has been used", null);
  return new WhipError(0, "no WebSocket was opened", AGAIN_S);
}
