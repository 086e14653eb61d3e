/** Keeps the screen lit while somebody recites. */
export class ScreenAwake {
  constructor() {
    /** @type {WakeLockSentinel|null} */
    this.lock = null;
  }

  /** Also after the page was hidden, which lets go of it. */
  async keep() {
    try {
      this.lock = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      // Refused when the battery is low: the screen may then dim.
    }
  }

  letGo() {
    void this.lock?.release().catch(() => {});
    this.lock = null;
  }
}
