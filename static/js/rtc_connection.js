/** A session over WebRTC: one peer connection with the microphone up, feedback and control on two data channels. */
import { Connection } from "./connection.js";
import { rtpWorker } from "./rtp_clock.js";
import { WhipSession, iceServers, sessionQuery } from "./whip.js";

const ANSWER_DEADLINE_MS = 10000;

/** From the answer to open channels.  A connection through a relay stands within two seconds; one that takes more is
 * most often never made, as where a network lets no UDP through. */
const STAND_DEADLINE_MS = 4000;

/** @typedef {import("./connection.js").Carrier} Carrier */

/** @implements {Carrier} */
export class RtcConnection extends Connection {
  /**
   * @param {import("./voice_source.js").VoiceSource} source @param {string} verses @param {string} token
   * @param {import("./connection.js").Listener} listener @param {string} [resume] token of the session to take up
   */
  constructor(source, verses, token, listener, resume = "") {
    super("webrtc", token, listener, resume);
    this.stream = source.stream;
    this.peer = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
    this.feedback = this.peer.createDataChannel("feedback", {
      negotiated: true,
      id: 0,
      ordered: false,
      maxRetransmits: 0,
    });
    this.control = this.peer.createDataChannel("control", { negotiated: true, id: 1 });
    this.whip = new WhipSession(this.peer, `/whip?${sessionQuery(verses, resume)}`, token);
    this.feedback.onmessage = (event) => this.take(event.data);
    this.control.onmessage = (event) => this.take(event.data);
    this.control.onopen = () => this.opened();
    this.control.onclose = () => this.lost("channel");
    this.peer.onconnectionstatechange = () => {
      if (this.peer.connectionState === "disconnected") this.suspect();
      if (this.peer.connectionState === "failed" || this.peer.connectionState === "closed") this.lost("connection");
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
    this.openWithin(ANSWER_DEADLINE_MS);
    try {
      await this.whip.open();
    } catch (error) {
      this.close();
      throw error;
    }
    if (this.closed) void this.whip.close();
    else this.openWithin(STAND_DEADLINE_MS);
  }

  get isOpen() {
    return this.control.readyState === "open";
  }

  /** @param {string} text */
  sendText(text) {
    this.control.send(text);
  }

  hangUp() {
    // In this order: a server that sees the connection closed first no longer knows the session.
    return this.whip.close().then(() => this.peer.close());
  }

  leave() {
    this.peer.close();
  }
}
