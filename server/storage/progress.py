"""Arithmetic of progress: which rules and letters are weak, and which ayat are due again. No database."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from server.storage.answers import Due, Weak

Z = 1.96
"""Of a one-sided 97.5 %: what is rare must have slipped often to be called weak."""

INTERVALS_DAYS = (1, 3, 7, 14, 30, 60)
"""Until an ayah is due again, by the number of days in a row on which it went well: spacing that grows with each
success (Leitner's boxes). A day on which it did not go well begins anew."""

WELL = 0.9
"""Share of an ayah's words that must be accepted on a day."""

WHOLE = 0.7
"""Share of an ayah's words that must have been recited on a day for that day to count."""


@dataclass(frozen=True, slots=True)
class VerseDay:
    """An ayah on a day."""

    surah: int
    ayah: int
    day: date
    words: int
    """Different words that were judged."""
    verdicts: int
    accepted: int
    """Of the verdicts."""


def least_share(slips: int, times: int) -> float:
    """Lower bound of the share of slips: Wilson's score interval (1927)."""
    if times == 0:
        return 0.0
    share = min(slips, times) / times
    centre = share + Z * Z / (2 * times)
    spread = Z * math.sqrt(share * (1 - share) / times + Z * Z / (4 * times * times))
    return max(0.0, (centre - spread) / (1 + Z * Z / times))


def weakest(tallies: Iterable[Weak], most: int) -> tuple[Weak, ...]:
    """Those that slipped, surest weakness first."""
    slipped = [weak for weak in tallies if weak.slips > 0]
    return tuple(sorted(slipped, key=lambda weak: (-least_share(weak.slips, weak.times), -weak.slips, weak.of))[:most])


def due_again(
    verses: Iterable[VerseDay], today: date, words_in: Callable[[int, int], int], most: int
) -> tuple[Due, ...]:
    """Ayat that are due on `today`, longest due first. `words_in` has the number of words of an ayah."""
    streaks: dict[tuple[int, int], tuple[VerseDay, int]] = {}
    for verse in sorted(verses, key=lambda verse: verse.day):
        place = verse.surah, verse.ayah
        if verse.words < WHOLE * words_in(*place):
            continue
        before = streaks[place][1] if place in streaks else 0
        streaks[place] = verse, before + 1 if verse.accepted >= WELL * verse.verdicts else 0
    found = []
    for (surah, ayah), (last, streak) in streaks.items():
        wait = INTERVALS_DAYS[min(max(streak - 1, 0), len(INTERVALS_DAYS) - 1)]
        due = last.day + timedelta(days=wait)
        if due <= today:
            found.append((due, surah, ayah, last))
    return tuple(
        Due(f"{surah}:{ayah}", str(last.day), str(due), round(last.accepted / last.verdicts, 3))
        for due, surah, ayah, last in sorted(found, key=lambda each: each[:3])[:most]
    )
