/**
 * WHIP client (RFC 9725): POST the offer at once, PATCH candidates as they are found, DELETE to end.
 *
 * The offer carries no candidates: the server answers with its own and learns ours from the first connectivity check,
 * which saves the gathering time.  Candidates still trickle, for servers that cannot be reached that way.
 */
import { bearing } from "./bearing.js";

/** The peer refused or could not be reached.  `retryAfter` is seconds, null when trying again is no use. */
export class WhipError extends Error {
  /** @param {number} status HTTP status, 0 when there was none @param {string} text @param {number|null} retryAfter */
  constructor(status, text, retryAfter) {
    super(text || `HTTP ${status}`);
    this.name = "WhipError";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const SIGNALLING_DEADLINE_MS = 10000;
const FAREWELL_DEADLINE_MS = 1000;

/** Seconds to wait after a refusal for lack of room that names no time. */
const DEFAULT_RETRY_S = 3;

/** @param {string} verses @param {string} resume token of a session to take up, empty for a new one */
export function sessionQuery(verses, resume) {
  return resume ? `resume=${encodeURIComponent(resume)}` : `verses=${encodeURIComponent(verses)}`;
}

export class WhipSession {
  /**
   * @param {RTCPeerConnection} peer with its tracks and channels added
   * @param {string} endpoint @param {string} token empty for none
   */
  constructor(peer, endpoint, token) {
    this.peer = peer;
    this.endpoint = endpoint;
    this.headers = bearing(token);
    /** @type {string|null} */
    this.location = null;
    /** Entity tag of the ICE session, which every PATCH must name (RFC 9725, section 4.3.1). */
    this.etag = "*";
    /** @type {RTCIceCandidate[]} */
    this.waiting = [];
    this.gathered = false;
    this.sending = false;
    peer.addEventListener("icecandidate", (event) => {
      if (event.candidate && event.candidate.candidate) this.waiting.push(event.candidate);
      else if (!event.candidate) this.gathered = true;
      void this.#trickle();
    });
  }

  /** Offers and applies the answer.  @returns {Promise<void>} @throws {WhipError} */
  async open() {
    await this.peer.setLocalDescription();
    const response = await this.#request(this.endpoint, "POST", "application/sdp", this.peer.localDescription?.sdp);
    if (response.status !== 201) throw await refusal(response);
    const location = response.headers.get("Location");
    if (!location) throw new WhipError(response.status, "the answer names no session (Location)", null);
    this.location = new URL(location, response.url).href;
    this.etag = response.headers.get("ETag") ?? "*";
    await this.peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    void this.#trickle();
  }

  /**
   * Ends the session on the server, even while the page is being left.
   * @returns {Promise<void>} when the server has answered, or will not
   */
  async close() {
    if (!this.location) return;
    const url = this.location;
    this.location = null;
    const signal = AbortSignal.timeout(FAREWELL_DEADLINE_MS);
    try {
      await fetch(url, { method: "DELETE", headers: this.headers, keepalive: true, signal });
    } catch {
      // The server notices the closed peer connection by itself.
    }
  }

  /** One PATCH at a time, each with all candidates found meanwhile. */
  async #trickle() {
    if (!this.location || this.sending || !(this.waiting.length || this.gathered)) return;
    this.sending = true;
    const last = this.gathered;
    const fragment = candidateFragment(this.peer.localDescription?.sdp ?? "", this.waiting.splice(0), last);
    try {
      await this.#request(this.location, "PATCH", "application/trickle-ice-sdpfrag", fragment, {
        "If-Match": this.etag,
      });
    } catch {
      // A lost candidate is not fatal: the server learns the address from our connectivity checks.
    }
    this.sending = false;
    if (!last) void this.#trickle();
  }

  /**
   * @param {string} url @param {string} method @param {string} type @param {string} [body]
   * @param {Record<string, string>} [more] headers
   */
  async #request(url, method, type, body, more) {
    try {
      return await fetch(url, {
        method,
        body,
        headers: { ...this.headers, ...more, "Content-Type": type },
        signal: AbortSignal.timeout(SIGNALLING_DEADLINE_MS),
      });
    } catch (error) {
      throw new WhipError(0, String(error), DEFAULT_RETRY_S);
    }
  }
}

/** @type {Promise<RTCIceServer[]>|null} */
let known = null;

/**
 * The server's STUN and TURN servers, asked for once: candidates are gathered before the answer could tell them.
 * @param {string} token @param {string} [endpoint] what the token is good for
 * @returns {Promise<RTCIceServer[]>} none when they cannot be had
 */
export function iceServers(token, endpoint = "/whip") {
  known ??= fetch(endpoint, {
    method: "OPTIONS",
    headers: bearing(token),
    signal: AbortSignal.timeout(SIGNALLING_DEADLINE_MS),
  }).then(
    (response) => linkedIceServers(response.headers.get("Link") ?? ""),
    () => {
      known = null;
      return [];
    },
  );
  return known;
}

/** @param {string} links value of a Link header (RFC 9725, section 4.6) @returns {RTCIceServer[]} */
export function linkedIceServers(links) {
  const servers = [];
  for (const [, urls, list] of links.matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+="(?:[^"\\]|\\.)*")*)/g)) {
    /** @type {Record<string, string>} */
    const told = {};
    for (const [, name, value] of list.matchAll(/([\w-]+)="((?:[^"\\]|\\.)*)"/g)) told[name] = value.replace(/\\(.)/g, "$1");
    if (told.rel !== "ice-server") continue;
    servers.push(told.username ? { urls, username: told.username, credential: told.credential } : { urls });
  }
  return servers;
}

/** @param {Response} response of a server that refused @returns {Promise<WhipError>} */
export async function refusal(response) {
  const body = await response.text();
  let text = body.slice(0, 200);
  try {
    text = String(JSON.parse(body).error ?? text);
  } catch {
    // Not JSON: the text as it is.
  }
  const after = Number(response.headers.get("Retry-After"));
  const full = response.status === 503 || response.status === 429;
  const retryAfter = full ? (after > 0 ? after : DEFAULT_RETRY_S) : response.status >= 500 ? DEFAULT_RETRY_S : null;
  return new WhipError(response.status, text, retryAfter);
}

/**
 * An SDP fragment (RFC 8840) that carries candidates of the first, bundled, section.
 * @param {string} sdp local description @param {readonly RTCIceCandidate[]} candidates @param {boolean} last
 */
export function candidateFragment(sdp, candidates, last) {
  const line = (/** @type {string} */ name) => sdp.match(new RegExp(`^a=${name}:.*$`, "m"))?.[0].trim() ?? "";
  const media = sdp.match(/^m=.*$/m)?.[0].trim() ?? "m=audio 9 UDP/TLS/RTP/SAVPF 0";
  const lines = [line("ice-ufrag"), line("ice-pwd"), media, line("mid")];
  for (const candidate of candidates) {
    if (candidate.sdpMLineIndex === 0 || candidate.sdpMLineIndex === null) lines.push(`a=${candidate.candidate}`);
  }
  if (last) lines.push("a=end-of-candidates");
  return lines.filter(Boolean).join("\r\n") + "\r\n";
}
