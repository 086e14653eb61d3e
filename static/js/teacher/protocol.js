/**
 * Messages of a teacher who watches (docs/protocol.md, Watching), as types.
 *
 * @typedef {import("../messages.js").Following} Following
 * @typedef {import("../messages.js").Verdict} Verdict
 * @typedef {"accepted"|"questioned"|"wrong"|"unclear"} Ruling
 *
 * @typedef {object} Doubt a slip of a letter, of a word (no `expected`), or of a rule
 * @property {string} at
 * @property {Verdict|null} status null where a rule was broken
 * @property {number} [first]
 * @property {number} [stop]
 * @property {string|null} [expected]
 * @property {string|null} [heard]
 * @property {string} [rule]
 * @property {string} [slip]
 * @property {"advice"|"error"} [severity]
 *
 * @typedef {object} Tile
 * @property {string} session
 * @property {string} name empty for a guest
 * @property {number} number
 * @property {number} since Unix time
 * @property {string} verses
 * @property {string|null} at
 * @property {Following} state
 * @property {number} accepted
 * @property {number} questioned
 * @property {number} wrong
 * @property {number} unclear
 * @property {Doubt[]} slips newest first
 * @property {number} loss share of packets
 * @property {number} silent_s
 * @property {boolean|null} may_listen what the student said to being listened to; null: nothing yet
 *
 * @typedef {[at: string, status: Ruling, was: Verdict]} OverruledRow
 *
 * @typedef {object} Rows
 * @property {"rows"} type
 * @property {string} session
 * @property {number} seq
 * @property {number} sample
 * @property {import("../messages.js").CursorRow|null} cursor
 * @property {boolean} speech
 * @property {Following} state
 * @property {import("../messages.js").PhoneRow[]} phones
 * @property {import("../messages.js").WordRow[]} words
 * @property {any[]} rules
 * @property {OverruledRow[]} overruled
 * @property {number|null} harakah_ms
 * @property {number|null} late_ms
 *
 * @typedef {{type: "snapshot", class: string, sessions: Tile[]}} Snapshot
 * @typedef {{type: "tiles", sessions: Tile[], gone: string[]}} Tiles
 * @typedef {{type: "opened", session: string, verses: string}} Opened
 * @typedef {{type: "told", session: string, what: "remark"|"overrule", reached: boolean}} Told
 * @typedef {{type: "pong", t: number}} Pong
 * @typedef {{type: "error", code: string, text: string}} Refusal
 * @typedef {Snapshot|Tiles|Opened|Rows|Told|Pong|Refusal} FromServer
 *
 * @typedef {{role: "student"|"teacher"|"probe"|"operator", name: string, classes: string[], expires: number|null}} Me
 */

export const SUBPROTOCOL = "talaqqi.watch.v1";

/** The server closes with this code when the token is over. */
export const EXPIRED = 4401;

/** The class of a server that asks for no token. */
export const OPEN_CLASS = "open";
