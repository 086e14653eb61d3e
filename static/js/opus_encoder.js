/** Opus packets of 20 ms by WebCodecs, where the browser has an encoder. */
import { FRAME_MS, KIND_HZ, OPUS } from "./frames.js";

/** Half a second is 2.5 kB.  WebRTC sends a voice with hardly less; fricatives need it. */
const BITS_PER_SECOND = 40000;

/** @type {any} the library of types does not know `opus` yet */
const CONFIG = {
  codec: "opus",
  sampleRate: KIND_HZ[OPUS],
  numberOfChannels: 1,
  bitrate: BITS_PER_SECOND,
  opus: { frameDuration: FRAME_MS * 1000 },
};

/** One that has failed in this page would fail again. */
let failed = false;

/** @returns {Promise<boolean>} */
export async function encodesOpus() {
  if (failed || !("AudioEncoder" in globalThis)) return false;
  const { supported } = await AudioEncoder.isConfigSupported(CONFIG);
  return supported === true;
}

export class OpusEncoder {
  /** @param {(packet: Uint8Array) => void} onpacket one for each frame, in order @param {() => void} onfail at most once */
  constructor(onpacket, onfail) {
    this.count = 0;
    this.encoder = new AudioEncoder({
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        onpacket(packet);
      },
      error: () => {
        failed = true;
        onfail();
      },
    });
    this.encoder.configure(CONFIG);
  }

  /** @param {Float32Array<ArrayBuffer>} samples 20 ms */
  encode(samples) {
    if (this.encoder.state !== "configured") return;
    const sound = new AudioData({
      format: "f32-planar",
      sampleRate: KIND_HZ[OPUS],
      numberOfFrames: samples.length,
      numberOfChannels: 1,
      timestamp: this.count++ * FRAME_MS * 1000,
      data: samples,
    });
    this.encoder.encode(sound);
    sound.close();
  }

  close() {
    if (this.encoder.state !== "closed") this.encoder.close();
  }
}
