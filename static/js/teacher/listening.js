/**
 * Listening to a student: one peer connection that takes sound (WHEP), and how loud it is.  Where the student has not
 * agreed yet they are asked, and the connection is made as soon as they do.
 *
 * @typedef {"off"|"connecting"|"asked"|"live"|"refused"|"failed"|"lost"} ListeningState
 */
import { WhipError, WhipSession, iceServers } from "../whip.js";

const STAND_DEADLINE_MS = 8000;

/** Samples of which the level is taken. */
const LEVEL_SAMPLES = 1024;

export class Listening {
  /** @param {string} token @param {(state: ListeningState, why: string) => void} onstate */
  constructor(token, onstate) {
    this.token = token;
    this.onstate = onstate;
    this.session = "";
    /** @type {ListeningState} */
    this.state = "off";
    /** What the student has said, by the tile.  @type {boolean|null} */
    this.may = null;
    /** @type {RTCPeerConnection|null} */
    this.peer = null;
    /** @type {WhipSession|null} */
    this.whep = null;
    /** @type {AudioContext|null} */
    this.audio = null;
    /** @type {AnalyserNode|null} */
    this.analyser = null;
    this.player = new Audio();
    this.samples = new Float32Array(LEVEL_SAMPLES);
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.deadline = undefined;
  }

  /** @returns {boolean} there is something to stop */
  get on() {
    return this.state === "connecting" || this.state === "asked" || this.state === "live";
  }

  /** To be called where the teacher has pressed something: a page may not make sound otherwise.  @param {string} session */
  begin(session) {
    this.#hangUp();
    this.session = session;
    this.audio ??= new AudioContext();
    void this.audio.resume();
    void this.#connect();
  }

  stop() {
    this.#hangUp();
    this.#enter("off");
  }

  /** What the tile of a session says.  @param {string} session @param {boolean|null} may */
  heard(session, may) {
    if (session !== this.session) return;
    this.may = may;
    if (this.state === "asked" && may) void this.#connect();
    else if (may === false && this.on) {
      // The server has hung up by itself.
      this.whep = null;
      this.#fail("refused");
    }
  }

  /** @returns {number} root mean square of the newest samples, 0 for silence */
  get level() {
    if (this.state !== "live" || !this.analyser) return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    let power = 0;
    for (const sample of this.samples) power += sample * sample;
    return Math.sqrt(power / LEVEL_SAMPLES);
  }

  async #connect() {
    this.#enter("connecting");
    const endpoint = `/whep/${encodeURIComponent(this.session)}`;
    const servers = await iceServers(this.token, endpoint);
    if (this.state !== "connecting") return;
    const peer = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    this.peer = peer;
    this.whep = new WhipSession(peer, endpoint, this.token);
    peer.addTransceiver("audio", { direction: "recvonly" });
    peer.ontrack = ({ track }) => this.#play(new MediaStream([track]));
    peer.onconnectionstatechange = () => this.#follow(peer);
    this.deadline = setTimeout(() => this.#fail("lost"), STAND_DEADLINE_MS);
    try {
      await this.whep.open();
    } catch (error) {
      if (this.peer !== peer) return;
      if (error instanceof WhipError && error.status === 403) {
        if (this.may === false) this.#fail("refused");
        else this.#fail("asked");
      } else this.#fail("failed", error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {RTCPeerConnection} peer */
  #follow(peer) {
    if (this.peer !== peer) return;
    if (peer.connectionState === "connected") {
      clearTimeout(this.deadline);
      this.#enter("live");
    } else if (peer.connectionState === "failed" || peer.connectionState === "closed") this.#fail("lost");
  }

  /** @param {MediaStream} stream */
  #play(stream) {
    // Chromium lets sound into a context only from a stream that an element plays as well.
    this.player.srcObject = stream;
    void this.player.play().catch(() => {});
    if (!this.audio) return;
    this.analyser = new AnalyserNode(this.audio, { fftSize: LEVEL_SAMPLES });
    this.audio.createMediaStreamSource(stream).connect(this.analyser);
  }

  /** @param {ListeningState} state @param {string} [why] */
  #fail(state, why = "") {
    this.#hangUp();
    this.#enter(state, why);
  }

  #hangUp() {
    clearTimeout(this.deadline);
    const { peer, whep } = this;
    this.peer = this.whep = null;
    this.analyser = null;
    this.player.srcObject = null;
    // In this order: a server that sees the connection closed first no longer knows it.
    if (peer) void Promise.resolve(whep?.close()).then(() => peer.close());
  }

  /** @param {ListeningState} state @param {string} [why] */
  #enter(state, why = "") {
    this.state = state;
    this.onstate(state, why);
  }
}
