/**
 * Which way the voice goes.  WebRTC first: it loses a packet where TCP holds up all that comes after it.  Where no
 * connection stands, a WebSocket, from then on for as long as the tab is open: the network will not have changed its mind.
 *
 * @typedef {import("./connection.js").Way} Way
 */
import { RtcConnection } from "./rtc_connection.js";
import { SocketConnection } from "./socket_connection.js";

const STORED = "talaqqi-transport";

export class Transports {
  /** @param {string} token empty for none @param {string|null} [asked] the only way to try; other words count as none */
  constructor(token, asked = null) {
    this.token = token;
    this.fixed = asked === "webrtc" || asked === "websocket";
    /** @type {Way} of the next connection */
    this.way = asked === "webrtc" ? "webrtc" : asked === "websocket" || !hasPeers() ? "websocket" : readStored();
  }

  /**
   * @param {import("./voice_source.js").VoiceSource} source @param {string} verses
   * @param {import("./connection.js").Listener} listener @param {string} [resume] token of a session to take up
   */
  connection(source, verses, listener, resume) {
    const Chosen = this.way === "websocket" ? SocketConnection : RtcConnection;
    return new Chosen(source, verses, this.token, listener, resume);
  }

  /** No connection stood.  @returns {boolean} whether there is another way to try */
  fall() {
    if (this.fixed || this.way === "websocket" || !("AudioWorkletNode" in globalThis)) return false;
    this.way = "websocket";
    return true;
  }

  /** A connection stands. */
  stood() {
    if (!this.fixed && this.way === "websocket") store(this.way);
  }
}

function hasPeers() {
  return "RTCPeerConnection" in globalThis;
}

/** @returns {Way} */
function readStored() {
  try {
    return sessionStorage.getItem(STORED) === "websocket" ? "websocket" : "webrtc";
  } catch {
    return "webrtc";
  }
}

/** @param {Way} way */
function store(way) {
  try {
    sessionStorage.setItem(STORED, way);
  } catch {
    // Refused by the browser's settings: the next recitation finds out again.
  }
}
