"""Pitch of all sessions, a few times a second, in a thread of its own beside the encoder loop.

Nothing waits for it: a phrase is told when it is over, and a quarter of a second later is soon enough.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from recitation.audio import Pcm
from recitation.prosody.pitch import Contour, Pitched, ready_spans
from server.metrics import Metrics

logger = logging.getLogger(__name__)

EVERY_S = 0.25

HearSpans = Callable[[Sequence[Sequence[tuple[int, Pcm]]]], list[list[Contour]]]
"""The network over the spans of several sessions: `recitation.prosody.pitch.SwiftPitch.hear`."""


class PitchLoop:
    """Hears the spans that lines have ready; `run` must be running for it to happen unasked."""

    def __init__(self, hear: HearSpans, lines: Callable[[], Iterable[Pitched]], metrics: Metrics) -> None:
        """`lines` are those of the sessions at the time it is called."""
        self._hear, self._lines, self._metrics = hear, lines, metrics
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="pitch")

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                await self.hear(self._lines())
        finally:
            self._worker.shutdown()

    async def hear(self, lines: Iterable[Pitched]) -> None:
        """Hear all that is ready in some lines, in one call. A fault costs them that pitch, nothing else."""
        waiting = [line for line in lines if line.pitch is not None and line.pitch.ready]
        if not waiting:
            return
        spans = [ready_spans(line.pitch) for line in waiting if line.pitch is not None]
        began = asyncio.get_running_loop().time()
        try:
            contours = await asyncio.get_running_loop().run_in_executor(self._worker, self._hear, spans)
        except Exception:
            self._metrics.faults.add()
            logger.exception("pitch of %d sessions was not heard", len(waiting))
            return
        self._metrics.stages["pitch"].observe(asyncio.get_running_loop().time() - began)
        for line, heard in zip(waiting, contours, strict=True):
            line.hear_pitch(heard)
