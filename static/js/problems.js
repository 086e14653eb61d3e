/** What went wrong, in the page's words. */
import { t } from "./i18n.js";
import { WhipError } from "./whip.js";

/** What the server said went wrong, in a session that stands. */
export class SaidByServer extends Error {
  /** @param {import("./messages.js").ProtocolError} message */
  constructor({ code, text }) {
    super(text);
    this.code = code;
  }
}

/** Why there is no microphone.  @param {unknown} error @returns {string} */
export function microphoneProblem(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return t("error_mic_denied");
  if (name === "SecurityError") return t("error_mic_insecure");
  if (name === "NotReadableError") return t("error_mic_busy");
  return t("error_mic_missing");
}

/** Why a recitation broke off.  @param {Error} error @param {number|null} again_s until the next try @returns {string} */
export function recitalProblem(error, again_s) {
  if (error instanceof SaidByServer && error.code === "overloaded") return t("error_overloaded");
  if (!(error instanceof WhipError)) return t("error_refused", { text: error.message });
  if (error.status === 503 || error.status === 429) return t("error_full", { n: again_s ?? 0 });
  if (error.status === 401 || error.status === 403) return t("error_auth");
  if (error.status === 404) return t("error_passage");
  if (error.status >= 500) return t("error_server", { n: again_s ?? 0 });
  if (error.status >= 400) return t("error_refused", { text: error.message });
  return t("error_unreachable");
}
