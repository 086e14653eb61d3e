/** The voice as samples, 20 ms at a time, and when each of them was captured. */
import { FRAME_MS } from "./frames.js";

/** Long enough that one frame of a window comes without delay, short enough to follow a clock that strays. */
const WINDOW_MS = 2000;

/**
 * When frames were captured, by when they come: never too early, so the quickest of the last few seconds tells how the
 * frames' clock lies on ours.  What the device and the browser kept the sound for before that is not in it.
 */
export class CaptureClock {
  constructor() {
    this.least = Infinity;
    this.before = Infinity;
    this.since = -Infinity;
  }

  /** @param {number} number of the frame @param {number} now ms, when it came whole @returns {number} ms, of its start */
  startOf(number, now) {
    if (now - this.since > WINDOW_MS) {
      this.before = this.least;
      this.least = Infinity;
      this.since = now;
    }
    this.least = Math.min(this.least, now - (number + 1) * FRAME_MS);
    return Math.min(this.least, this.before) + number * FRAME_MS;
  }
}

/** Loads what `VoiceCapture` needs.  @param {AudioContext} context @returns {Promise<void>} */
export function loadVoiceCapture(context) {
  return context.audioWorklet.addModule(new URL("./voice_capture_worklet.js", import.meta.url));
}

export class VoiceCapture {
  /**
   * @param {AudioContext} context in which `loadVoiceCapture` is done @param {MediaStream} stream @param {number} hz
   * @param {(samples: Float32Array<ArrayBuffer>, captured_ms: number) => void} onframe 20 ms; epoch ms of the first
   */
  constructor(context, stream, hz, onframe) {
    this.input = context.createMediaStreamSource(stream);
    this.node = new AudioWorkletNode(context, "voice-capture", {
      channelCount: 1,
      channelCountMode: "explicit",
      processorOptions: { hz },
    });
    const clock = new CaptureClock();
    let count = 0;
    this.node.port.onmessage = ({ data }) => {
      const now = performance.timeOrigin + performance.now();
      onframe(data, clock.startOf(count++, now));
    };
    // Its output is silence; a node that leads nowhere need not be run.
    this.input.connect(this.node).connect(context.destination);
  }

  close() {
    this.node.port.onmessage = null;
    this.node.port.postMessage("end");
    this.input.disconnect();
    this.node.disconnect();
  }
}
