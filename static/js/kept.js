/**
 * What the server keeps of students, as it tells (docs/protocol.md, History and progress).
 *
 * @typedef {{of: string, times: number, slips: number}} Weak
 * @typedef {{day: string, sessions: number, seconds: number, voice_s: number, words: number, accepted: number|null,
 *            letter_slips: number, rule_slips: Record<string, number>}} Day
 * @typedef {{at: string, last: string, due: string, accepted: number}} Due
 * @typedef {{days: Day[], rules: Weak[], letters: Weak[], due: Due[]}} Progress
 * @typedef {{student: number, name: string, sessions: number, voice_s: number, last: number}} StudentLine
 * @typedef {{words: number, accepted: number, questioned: number, wrong: number, unclear: number}} Counts
 * @typedef {{session: string, began: number, voice_s: number, verses: string, counts: Counts, letter_slips: number,
 *            rule_slips: number}} SessionLine
 * @typedef {{at: string, status: import("./messages.js").Verdict}} WordLine
 */
import { bearing } from "./bearing.js";

export const DAYS = 30;

/** Days are those of the clock on this device. */
export const ofDays = () => `days=${DAYS}&offset_min=${-new Date().getTimezoneOffset()}`;

/** To a tenth.  @param {number} seconds */
export const minutes = (seconds) => Math.round(seconds / 6) / 10;

/** What is told of a session in a line.  @param {SessionLine} line */
export function figuresOf({ voice_s, counts: { accepted, words }, letter_slips, rule_slips }) {
  return { minutes: minutes(voice_s), accepted, words, slips: letter_slips + rule_slips };
}

/**
 * @param {string} path under /api/ @param {string} token empty for none @param {RequestInit} [options]
 * @returns {Promise<any>} the answer @throws with the server's reason where it refuses
 */
export async function askKept(path, token, options = {}) {
  const response = await fetch(`/api/${path}`, { ...options, headers: bearing(token) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? String(response.status));
  return answer;
}
