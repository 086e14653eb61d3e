"""What came of connections lost on purpose: how soon feedback was back, and whether at the right word."""

import asyncio
from collections.abc import Sequence
from typing import Any

from recitation.audio import SAMPLE_HZ
from server.delays import Unit, spread
from server.reciter import Heard
from server.returning import Recovery, Returning

SETTLED_S = 1.5
"""After feedback is back the cursor has so long to find its word."""
LATE_S = 0.25
"""Feedback is about what was recited so long before it came."""
LAST_CUT_S = 4.0
"""No connection is lost so shortly before the end of the recording: there would be nothing to come back for."""


async def lose_every(seconds: float, returning: Returning, recording_s: float) -> None:
    """Lose the connection again and again, each time when the one before was made up for."""
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - begun + seconds < recording_s - LAST_CUT_S:
        await asyncio.sleep(seconds)
        if not returning.recoveries or returning.recoveries[-1].opened:
            await returning.cut()


def at_right_word(
    heard: Heard, recovery: Recovery, units: Sequence[Unit], words: Sequence[str], until: float = float("inf")
) -> bool | None:
    """Whether the cursor is at most one word from what is recited once feedback is back and settled; None where nothing
    was said of that before `until`, monotonic seconds. `words`: addresses of the passage in order."""
    settled = recovery.back + SETTLED_S
    told = ((at, m.cursor.at) for at, m in heard.feedback if settled < at < until and m.cursor is not None)
    at, cursor = next(told, (0.0, None))
    if cursor is None:
        return None
    sample = (at - heard.started - LATE_S) * SAMPLE_HZ
    unit = next((unit for unit in units if unit.end >= sample), units[-1])
    return abs(words.index(cursor) - words.index(unit.at)) <= 1


def recovery_figures(sessions: Sequence[Returning], units: Sequence[Unit], words: Sequence[str]) -> dict[str, Any]:
    """Of all connections lost in all sessions: milliseconds (`server.returning.Recovery`), and of those that something
    was said of after `SETTLED_S` the share at the right word, None where there are none."""
    lost = [recovery for session in sessions for recovery in session.recoveries]
    judged = []
    for session in sessions:
        for recovery, until in session.stretches:
            right = at_right_word(session.heard, recovery, units, words, until)
            if right is not None:
                judged.append(right)
    return {
        "lost": len(lost),
        "detection": spread(recovery.detection_s * 1000 for recovery in lost),
        "back": spread(recovery.back_s * 1000 for recovery in lost),
        "judged": len(judged),
        "right": round(sum(judged) / len(judged), 3) if judged else None,
        "tries_failed": sum(len(session.failed) for session in sessions),
    }
