/**
 * Where the voice comes from: the microphone, or a recorded sample played as if it were one.
 *
 * @typedef {object} VoiceSource
 * @property {"mic"|"sample"} kind
 * @property {MediaStream} stream what is sent
 * @property {AudioNode} node the same sound inside the audio context, for the level meter
 * @property {() => void} begin starts a sample from its beginning, once; nothing for a microphone
 * @property {Promise<void>} ended resolves when a sample has been played; never for a microphone
 * @property {() => void} stop
 */

import { keptInput } from "./microphones.js";

/** Processing meant for calls changes fricatives and nasal energy, which are what is being judged. */
const UNPROCESSED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };

/** About -76 dBFS: not heard, yet enough that Chromium goes on sending packets. */
const NOISE_FLOOR = 1.5e-4;

/** @param {AudioContext} context @returns {Promise<VoiceSource>} @throws {DOMException} as getUserMedia does */
export async function openMicrophone(context) {
  if (!navigator.mediaDevices) throw new DOMException("needs https or localhost", "SecurityError");
  // The one that was chosen, or another where it is not plugged in.
  const audio = { ...UNPROCESSED, deviceId: keptInput() || undefined };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const node = context.createMediaStreamSource(stream);
  return {
    kind: "mic",
    stream,
    node,
    begin: () => {},
    ended: new Promise(() => {}),
    stop: () => {
      node.disconnect();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

/** @param {AudioContext} context @param {string} url @returns {Promise<VoiceSource>} */
export async function openSample(context, url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status} for ${url}`);
  const player = context.createBufferSource();
  player.buffer = await context.decodeAudioData(await response.arrayBuffer());
  const sent = context.createMediaStreamDestination();
  sent.channelCount = 1;
  player.connect(sent);
  player.connect(context.destination);
  const floor = noise(context);
  floor.connect(sent);
  floor.start();
  let begun = false;
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => {
    player.onended = () => resolve();
  });
  return {
    kind: "sample",
    stream: sent.stream,
    node: player,
    begin: () => {
      if (!begun) player.start();
      begun = true;
    },
    ended,
    stop: () => {
      player.onended = null;
      player.disconnect();
      floor.stop();
      floor.disconnect();
    },
  };
}

/** @param {AudioContext} context @returns {AudioBufferSourceNode} endless faint white noise */
function noise(context) {
  const buffer = context.createBuffer(1, context.sampleRate, context.sampleRate);
  const samples = buffer.getChannelData(0);
  for (let i = 0; i < samples.length; i++) samples[i] = (Math.random() * 2 - 1) * NOISE_FLOOR;
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.loop = true;
  return source;
}
