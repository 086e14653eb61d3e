/**
 * The connection to the server: it comes back by itself, and measures the way there and back.
 *
 * @typedef {import("./protocol.js").FromServer} FromServer
 * @typedef {"connecting"|"live"|"broken"|"expired"|"refused"|"needed"} LinkState
 *
 * @typedef {object} Listener
 * @property {(state: LinkState) => void} onstate
 * @property {(message: FromServer) => void} onmessage
 */
import { bearing } from "../bearing.js";
import { RunningMedian } from "../rtp_clock.js";
import { EXPIRED, SUBPROTOCOL } from "./protocol.js";

const PING_EVERY_MS = 2000;
const AGAIN_MS = [300, 1000, 2000, 4000, 8000];

export class ClassFeed {
  /** @param {string} className @param {string} token empty for none @param {Listener} listener */
  constructor(className, token, listener) {
    this.className = className;
    this.token = token;
    this.listener = listener;
    this.way = new RunningMedian(5);
    this.tries = 0;
    this.over = false;
    /** @type {WebSocket|null} */
    this.socket = null;
    /** @type {ReturnType<typeof setInterval>|undefined} */
    this.pings = undefined;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.again = undefined;
  }

  start() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const address = `${scheme}://${location.host}/watch?class=${encodeURIComponent(this.className)}`;
    const socket = new WebSocket(address, [SUBPROTOCOL, ...(this.token ? [`bearer.${this.token}`] : [])]);
    this.socket = socket;
    if (this.tries === 0) this.listener.onstate("connecting");
    socket.addEventListener("open", () => {
      this.pings = setInterval(() => this.send({ type: "ping", t: performance.now() }), PING_EVERY_MS);
      this.send({ type: "ping", t: performance.now() });
    });
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => void this.#closed(code));
  }

  stop() {
    this.over = true;
    clearTimeout(this.again);
    clearInterval(this.pings);
    this.socket?.close();
  }

  /** @param {object} message @returns {boolean} whether it could be sent */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ v: 1, ...message }));
    return true;
  }

  /** @returns {number} ms from the server to here, 0 while not known */
  get away_ms() {
    return Number.isNaN(this.way.median) ? 0 : this.way.median / 2;
  }

  /** @param {FromServer} message */
  #take(message) {
    if (message.type === "pong") {
      this.way.push(performance.now() - message.t);
      return;
    }
    if (message.type === "snapshot") {
      this.tries = 0;
      this.listener.onstate("live");
    }
    this.listener.onmessage(message);
  }

  /** @param {number} code */
  async #closed(code) {
    clearInterval(this.pings);
    if (this.over) return;
    const lasting = code === EXPIRED ? "expired" : await refusalOf(this.token);
    if (this.over) return;
    if (lasting !== null) {
      this.over = true;
      this.listener.onstate(lasting);
      return;
    }
    this.listener.onstate("broken");
    this.again = setTimeout(() => this.start(), AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)]);
    this.tries++;
  }
}

/**
 * What the token is good for.
 * @param {string} token @returns {Promise<import("./protocol.js").Me|null>} null when the server refuses it
 * @throws when the server cannot be asked
 */
export async function fetchMe(token) {
  const response = await fetch("/api/me", { headers: bearing(token) });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

/**
 * A browser does not say why a WebSocket was refused.
 * @param {string} token @returns {Promise<"needed"|"expired"|null>} null when trying again makes sense
 */
async function refusalOf(token) {
  try {
    if ((await fetchMe(token)) !== null) return null;
    return token ? "expired" : "needed";
  } catch {
    return null;
  }
}
