/**
 * The teacher's token comes after the `#` of the address, which is never sent to a server, and is kept for as long as
 * the tab: so it stands in no log, and a reload finds it.
 */

const STORED = "talaqqi.teacher";

/** @returns {string} empty for none */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return kept();
  history.replaceState(null, "", location.pathname + location.search);
  try {
    sessionStorage.setItem(STORED, given);
  } catch {
    // Refused in some private windows: a reload then needs the link again.
  }
  return given;
}

/** @returns {string} */
function kept() {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
