/**
 * What a page that is loaded again needs to go on with its recitation: kept for this tab, and for as long as the server
 * keeps the session.
 *
 * @typedef {{resume: string, verses: string, at_ms: number}} Kept `at_ms`: epoch time of the newest feedback
 */
const STORED = "talaqqi-recital";

/** As long as the server keeps a session (docs/protocol.md, "Coming back"). */
export const KEPT_MS = 60000;

/** @param {string} resume token @param {string} verses */
export function keep(resume, verses) {
  try {
    sessionStorage.setItem(STORED, JSON.stringify({ resume, verses, at_ms: Date.now() }));
  } catch {
    // Refused by the browser's settings: a page loaded again begins anew.
  }
}

export function forget() {
  try {
    sessionStorage.removeItem(STORED);
  } catch {
    // Nothing was kept either.
  }
}

/** @returns {Kept|null} what is kept, if it is not too old */
export function kept() {
  try {
    const told = JSON.parse(sessionStorage.getItem(STORED) ?? "null");
    return told && typeof told.resume === "string" && Date.now() - told.at_ms < KEPT_MS ? told : null;
  } catch {
    return null;
  }
}
