"""Reciters by the dozen for perf/load: a process of its own that recites by a plan and says what it heard, and when.

Open loop: every packet has its time, which a late sender does not change, and delays count from it. `python crowd.py
FILE` takes a pickled `Plan` and prints JSON.
"""

import asyncio
import json
import math
import pickle
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from recitation.acoustics.engines import open_engine
from recitation.audio import SAMPLE_HZ, Pcm, read_audio
from recitation.pipeline import Session, passage, recite
from recitation.tajweed.moshaf import Moshaf
from recitation.vad import SileroVad
from server.delays import Arrivals, Unit, delay, expected_units
from server.reciter import PACKET_S, Heard, Network, Reciter, ReciterError, Recording, encode_recording

GRACE_S = 1.5
"""Of what sounded later than this before a session was broken off, nothing is expected any more."""
REFUSED_PAUSE_S = 2.0
TICK_S = 0.02
Rule = tuple[str, str, int, int]
"""Word, rule, first letter and one past the last."""


@dataclass(frozen=True, slots=True)
class Take:
    """A recitation ready to be sent, and what is expected back."""

    verses: str
    recording: Recording
    units: tuple[Unit, ...]
    rules: tuple[tuple[Rule, int], ...]
    """Rules of which the line says something when it hears the file itself, and the sample at which each ends."""


def prepare(file: Path, verses: str) -> Take:
    """Encode a recitation, and hear it offline."""
    pcm = read_audio(file)
    return Take(verses, encode_recording(pcm), tuple(expected_units(pcm, verses)), tuple(_rules(pcm, verses)))


def _rules(pcm: Pcm, verses: str) -> Iterator[tuple[Rule, int]]:
    session = Session(passage(verses), SileroVad(), moshaf=Moshaf())
    seen = set()
    for update in recite(session, open_engine(), pcm):
        for rule in update.rules:
            first, last = rule.letters
            key = (rule.at, str(rule.rule), first, last + 1)
            if key not in seen and (rule.slip is not None or rule.measured is not None):
                seen.add(key)
                yield key, rule.end


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process of reciters does. Times are monotonic seconds, which all processes of a machine share."""

    url: str
    takes: tuple[Take, ...]
    numbers: tuple[int, ...]
    """Of its sessions, among all."""
    starts: tuple[float, ...]
    """When each connects."""
    measured: tuple[float, float]
    """What sounds between these times counts. At the second all sessions leave, GRACE_S later."""
    loss: float = 0.0
    jitter_s: float = 0.0
    storm_at: float | None = None
    """All at once lose their connection and connect anew."""
    churn_s: float | None = None
    """A session leaves after so long on average, in the middle of a word, and another comes in its place."""
    knocking: bool = False
    """Try once to get in, where no place is left."""
    seed: int = 1


@dataclass(slots=True)
class Told:
    """What a process of reciters heard. A delay is (second of the reading at which it sounded, milliseconds)."""

    delays: dict[str, list[tuple[float, float | None]]] = field(
        default_factory=lambda: {"tentative": [], "confirmed": [], "words": [], "rules": []}
    )
    connect_ms: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    broken: int = 0
    left: int = 0
    """Sessions that were broken off on purpose."""
    lag_ms: list[float] = field(default_factory=list)
    """By which each packet left late."""
    loop_ms: list[float] = field(default_factory=list)
    """By which a timer of the event loop was late: arrivals are noted so much too late at worst."""

    def count(self, heard: Heard, take: Take, measured: tuple[float, float], left_at: float) -> None:
        """Count a session that is over."""
        self.connect_ms.append(heard.connect_s * 1000)
        self.broken += heard.broken
        self.lag_ms += [lag * 1000 for lag in heard.lags]
        arrivals = Arrivals.of(heard, take.units)
        rules: dict[Rule, float] = {}
        for arrived, message in heard.feedback:
            for row in message.rules:
                rules.setdefault((row.at, str(row.rule), row.first, row.stop), arrived)
        last = {unit.at: unit for unit in take.units}
        found = {
            "tentative": [(unit.end, arrivals.tentative.get((unit.at, unit.index))) for unit in take.units],
            "confirmed": [(unit.end, arrivals.phones.get((unit.at, unit.index))) for unit in take.units],
            "words": [(unit.end, arrivals.words.get(at)) for at, unit in last.items()],
            "rules": [(end, rules.get(rule)) for rule, end in take.rules],
        }
        begin, end = measured
        for tier, pairs in found.items():
            for sample, arrived in pairs:
                sounded = heard.started - PACKET_S + sample / SAMPLE_HZ
                if begin <= sounded <= min(end, left_at - GRACE_S):
                    ms = delay(heard, sample, arrived)
                    self.delays[tier].append((round(sounded - begin, 2), None if math.isinf(ms) else round(ms, 1)))


class Crowd:
    """The sessions of one process."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self.told = plan, Told()
        self._chance = random.Random(plan.seed)

    async def run(self) -> None:
        """Until the plan is over."""
        places = list(zip(self._plan.numbers, self._plan.starts, strict=True))
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            ticking = tasks.create_task(self._tick())
            await asyncio.wait([tasks.create_task(self._place(http, number, start)) for number, start in places])
            ticking.cancel()

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            due += TICK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late = time.monotonic() - due
            self.told.loop_ms.append(late * 1000)
            due = max(due, time.monotonic() - TICK_S)

    async def _place(self, http: aiohttp.ClientSession, number: int, start: float) -> None:
        """One place among the sessions: whoever leaves is followed by another."""
        await asyncio.sleep(max(0.0, start - time.monotonic()))
        over = self._plan.measured[1] + GRACE_S
        while time.monotonic() < over - 0.5:
            await self._session(http, number, over)
            if self._plan.knocking:
                return
            number += 1

    async def _session(self, http: aiohttp.ClientSession, number: int, over: float) -> None:
        plan = self._plan
        take = plan.takes[number % len(plan.takes)]
        network = Network(plan.loss, plan.jitter_s, plan.seed + number)
        reciter = Reciter(http, plan.url, take.verses, take.recording, network=network)
        leave_at = over
        if plan.churn_s is not None:
            leave_at = min(over, time.monotonic() + self._chance.expovariate(1 / plan.churn_s))
        storm = plan.storm_at is not None and time.monotonic() < plan.storm_at < leave_at
        if storm and plan.storm_at is not None:
            leave_at = plan.storm_at
        begun = time.monotonic()
        try:
            async with asyncio.timeout(leave_at - begun):
                await reciter.recite()
        except TimeoutError:
            self.told.left += leave_at < over
        except ReciterError as error:
            self.told.refused.append(str(error))
            self.told.refused_ms.append((time.monotonic() - begun) * 1000)
            if not plan.knocking:
                await asyncio.sleep(REFUSED_PAUSE_S)
            return
        self.told.count(reciter.heard, take, plan.measured, time.monotonic())


def main() -> None:
    plan: Plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    crowd = Crowd(plan)
    asyncio.run(crowd.run())
    told: dict[str, Any] = {name: getattr(crowd.told, name) for name in Told.__slots__}
    print(json.dumps(told))


if __name__ == "__main__":
    # What was pickled by another script names this module by its name.
    from crowd import main as run

    run()
