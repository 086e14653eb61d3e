/**
 * Says why a voice does not arrive as it should, while somebody recites: what ails the microphone, a phone call, a device
 * that went away, a network that is gone.  The gravest of what holds is shown, and goes away with its cause.
 *
 * @typedef {"gone"|"offline"|"call"|"muted"|import("./voice_health.js").Ailment} Trouble
 */
import { t } from "./i18n.js";
import { noteEvent } from "./observe.js";
import { VOICE_HZ } from "./own_voice.js";
import { find } from "./picker.js";
import { VoiceHealth } from "./voice_health.js";

/** The gravest first. */
const TROUBLES = /** @type {const} */ (["gone", "offline", "call", "muted", "dead", "clipping", "noisy", "quiet"]);

/** Those that another microphone may mend. */
const OF_THE_DEVICE = new Set(["gone", "muted", "dead", "quiet", "noisy"]);

/** A device that went away is told of for so long after the recitation that it ended. */
const GONE_SHOWN_MS = 12_000;

export class VoiceWatch {
  /** @param {HTMLElement} root of the notice @param {() => void} onchoose the reciter wants another microphone */
  constructor(root, onchoose) {
    this.root = root;
    this.text = find(root, "#notice-text", HTMLElement);
    this.button = find(root, "#notice-choose", HTMLButtonElement);
    this.button.addEventListener("click", onchoose);
    /** @type {Set<Trouble>} */
    this.troubles = new Set();
    this.health = new VoiceHealth(VOICE_HZ);
    /** Ends what is watched.  @type {AbortController|null} */
    this.watching = null;
    for (const kind of ["online", "offline"]) addEventListener(kind, () => this.#tell("offline", !navigator.onLine));
    this.#tell("offline", !navigator.onLine);
  }

  /** @param {AudioContext} context @param {import("./voice_source.js").VoiceSource} source */
  begin(context, source) {
    this.end();
    this.#tell("gone", false);
    this.health = new VoiceHealth(VOICE_HZ);
    if (source.kind !== "mic") return;
    this.watching = new AbortController();
    const { signal } = this.watching;
    const [track] = source.stream.getAudioTracks();
    this.#tell("muted", track.muted);
    track.addEventListener("mute", () => this.#tell("muted", true), { signal });
    track.addEventListener("unmute", () => this.#tell("muted", false), { signal });
    track.addEventListener("ended", () => this.#gone(), { signal });
    context.addEventListener("statechange", () => this.#heed(context), { signal });
    document.addEventListener("visibilitychange", () => this.#heed(context), { signal });
  }

  /** @param {Float32Array} frame of the voice, at `VOICE_HZ` */
  hear(frame) {
    if (!this.watching || !this.health.push(frame)) return;
    for (const ailment of TROUBLES.slice(4)) this.#tell(ailment, ailment === this.health.ailment);
  }

  end() {
    this.watching?.abort();
    this.watching = null;
    for (const trouble of TROUBLES) if (trouble !== "gone" && trouble !== "offline") this.#tell(trouble, false);
  }

  /** Says it again, as after a change of language. */
  retell() {
    const worst = TROUBLES.find((trouble) => this.troubles.has(trouble));
    this.root.hidden = worst === undefined;
    if (!worst) return;
    this.text.textContent = t(`trouble_${worst}`);
    this.button.hidden = !OF_THE_DEVICE.has(worst);
    this.root.dataset.trouble = worst;
  }

  /** A call takes the sound away; once it is over the context goes on when it is asked.  @param {AudioContext} context */
  #heed(context) {
    const running = context.state === "running";
    this.#tell("call", !running && context.state !== "closed");
    if (!running && document.visibilityState === "visible") {
      // Refused while the call goes on; the next change of state asks again.
      void context.resume().catch(() => {});
    }
  }

  #gone() {
    this.#tell("gone", true);
    setTimeout(() => this.#tell("gone", false), GONE_SHOWN_MS);
  }

  /** @param {Trouble} trouble @param {boolean} holds */
  #tell(trouble, holds) {
    if (this.troubles.has(trouble) === holds) return;
    noteEvent("trouble", { trouble, holds });
    if (holds) this.troubles.add(trouble);
    else this.troubles.delete(trouble);
    this.retell();
  }
}
