/**
 * Which microphones there are and which one was chosen.
 *
 * @typedef {{id: string, name: string}} Input
 */

const STORED = "talaqqi.microphone";

/** @returns {Promise<Input[]>} those that have a name; browsers tell names only once a microphone was allowed */
export async function inputs() {
  if (!navigator.mediaDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter(({ kind, deviceId, label }) => kind === "audioinput" && label && deviceId !== "default")
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}

/** @returns {string} id of the one chosen, empty for the system's */
export function keptInput() {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} id empty for the system's */
export function keepInput(id) {
  try {
    localStorage.setItem(STORED, id);
  } catch {
    // Private windows may refuse; the system's microphone is then heard.
  }
}
