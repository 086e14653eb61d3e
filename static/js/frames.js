/**
 * Binary frames of audio, as a WebSocket carries them (docs/protocol.md, "WebSocket"): 20 ms each, of one kind in a
 * session.  Numbers are big-endian, samples of PCM little-endian.
 */

export const OPUS = 1;
export const PCM = 2;

/** @typedef {typeof OPUS | typeof PCM} Kind */

export const FRAME_MS = 20;

/** @type {Readonly<Record<Kind, number>>} */
export const KIND_HZ = { [OPUS]: 48000, [PCM]: 16000 };

/**
 * Bytes that may wait in a socket: half a second.  Audio that waits is audio that is late.
 * @type {Readonly<Record<Kind, number>>}
 */
const WAITING_BYTES = { [OPUS]: 2500, [PCM]: 16000 };

/**
 * @param {number} timestamp of the first sample, 48 kHz, wraps at 2^32 @param {number} sequence wraps at 2^16
 * @param {Uint8Array} packet one Opus packet @returns {Uint8Array<ArrayBuffer>}
 */
export function opusFrame(timestamp, sequence, packet) {
  const frame = new Uint8Array(7 + packet.length);
  const view = new DataView(frame.buffer);
  view.setUint8(0, OPUS);
  view.setUint32(1, timestamp);
  view.setUint16(5, sequence);
  frame.set(packet, 7);
  return frame;
}

/**
 * @param {number} sample index of the first, 16 kHz, wraps at 2^32 @param {Float32Array} samples from -1 to 1; what is
 * louder is clipped @returns {Uint8Array<ArrayBuffer>}
 */
export function pcmFrame(sample, samples) {
  const frame = new Uint8Array(5 + 2 * samples.length);
  const view = new DataView(frame.buffer);
  view.setUint8(0, PCM);
  view.setUint32(1, sample);
  for (let i = 0; i < samples.length; i++) {
    const value = Math.round(samples[i] * 32768);
    view.setInt16(5 + 2 * i, Math.max(-32768, Math.min(32767, value)), true);
  }
  return frame;
}

/** Numbers frames and sends them, or leaves them out and keeps counting while too much waits already. */
export class FrameSender {
  /** @param {Kind} kind @param {Pick<WebSocket, "bufferedAmount"|"send">} socket */
  constructor(kind, socket) {
    this.kind = kind;
    this.socket = socket;
    this.count = 0;
    this.leftOut = 0;
  }

  /** The next 20 ms.  @param {Uint8Array|Float32Array} sound an Opus packet, or samples of PCM */
  send(sound) {
    const number = this.count++;
    if (this.socket.bufferedAmount > WAITING_BYTES[this.kind]) {
      this.leftOut++;
      return;
    }
    const first = number * samplesPerFrame(this.kind);
    this.socket.send(sound instanceof Float32Array ? pcmFrame(first, sound) : opusFrame(first, number, sound));
  }
}

/** @param {Kind} kind @returns {number} */
export function samplesPerFrame(kind) {
  return (KIND_HZ[kind] * FRAME_MS) / 1000;
}
