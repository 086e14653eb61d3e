/**
 * Passes encoded audio through unchanged and tells the page when each packet's sound was captured:
 * `[label of the sender, RTP timestamp, capture time in epoch ms]`.
 */
const scope = /** @type {any} */ (self);

scope.onrtctransform = (/** @type {any} */ event) => {
  const { readable, writable, options } = event.transformer;
  const pass = new TransformStream({
    transform(frame, controller) {
      const { rtpTimestamp, captureTime } = frame.getMetadata();
      if (typeof captureTime === "number") {
        scope.postMessage([options.label, rtpTimestamp, performance.timeOrigin + captureTime]);
      }
      controller.enqueue(frame);
    },
  });
  readable.pipeThrough(pass).pipeTo(writable).catch(() => {
    // The sender has stopped.
  });
};

scope.postMessage("ready");
