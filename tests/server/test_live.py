"""The encoder loop: who is served when, what breaks whom, and where results go."""

import asyncio
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest
from toy_ear import Floats, ToyEncoder, ToyLine, toy_hear

from recitation.events import Update
from server.live import Busy, Live, Overloaded, Seat
from server.metrics import Metrics

HOP = np.full(1280, 0.3, np.float32)


class Listener:
    """Keeps what a seat hears."""

    def __init__(self) -> None:
        self.updates: list[tuple[Update, int, float, float]] = []
        self.faults: list[Exception] = []

    def heard(self, update: Update, rtp: int, received: float, encoded: float) -> None:
        self.updates.append((update, rtp, received, encoded))

    def failed(self, fault: Exception) -> None:
        self.faults.append(fault)

    async def wait(self, updates: int) -> None:
        async with asyncio.timeout(5):
            while len(self.updates) < updates:
                await asyncio.sleep(0.001)


def take_seat(live: Live) -> tuple[Seat, Listener]:
    listener = Listener()
    return live.join(ToyLine("112"), listener.heard, listener.failed), listener


class SlowEncoder(ToyEncoder):
    """Works until it is let go."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self.go = threading.Event()
        self.go.set()
        self.busy = threading.Event()

    def step(self, requests: list[tuple[int, Floats]]) -> list[Floats]:
        self.busy.set()
        assert self.go.wait(5)
        self.busy.clear()
        return super().step(requests)


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    live = Live(SlowEncoder(4), toy_hear, 4, Metrics(), gather_s=0.005, backlog_hops=5)
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(live.run())
        yield live
        encoder(live).go.set()
        loop.cancel()


def encoder(live: Live) -> SlowEncoder:
    assert isinstance(live._encoder, SlowEncoder)
    return live._encoder


async def test_every_hop_is_answered_with_its_own_time(live: Live) -> None:
    seat, listener = take_seat(live)
    for n in range(40):
        # 20 ms packets, the sender's timestamps about to wrap.
        seat.push(HOP[:320], False, (2**32 - 5000 + 960 * n) & 0xFFFFFFFF, 100.0 + n)
        await listener.wait((n + 1) // 4)
    await listener.wait(10)
    for n, (update, rtp, received, _) in enumerate(listener.updates):
        assert update.sample == 1280 * (n + 1)
        assert rtp == (2**32 - 5000 + 3840 * (n + 1)) & 0xFFFFFFFF
        assert received == 100.0 + 4 * n + 3
    assert listener.faults == []


async def test_a_gap_is_told_to_the_line_in_its_place(live: Live) -> None:
    seat, listener = take_seat(live)
    assert isinstance(seat.line, ToyLine)
    seat.push(HOP[:320], False, 0, 0.0)
    seat.push(HOP[:640], True, 960, 0.1, gap=True)
    seat.push(HOP[:320], False, 2880, 0.2)
    await listener.wait(1)
    assert seat.line.gaps[-1] == (seat.line.number, 320, 960)


async def test_sessions_ready_during_a_step_share_the_next(live: Live) -> None:
    seats = [take_seat(live) for _ in range(4)]
    encoder(live).go.clear()
    seats[0][0].push(HOP, False, 0, 0.0)
    while not encoder(live).busy.is_set():
        await asyncio.sleep(0.001)
    for seat, _ in seats[1:]:
        seat.push(HOP, False, 0, 0.0)
    encoder(live).go.set()
    for _, listener in seats:
        await listener.wait(1)
    assert encoder(live).steps == [1, 3]


@pytest.mark.parametrize("packets", [1, 2, 4, 9])
def test_a_session_begins_so_that_its_hops_fall_on_the_beat(packets: int) -> None:
    live = Live(ToyEncoder(1), toy_hear, 1, Metrics())
    for arrival in np.arange(500.0011, 500.2, 0.0037):
        lead = live.lead_in(320 * packets, arrival)
        assert 0 <= lead < 1280 and lead % 320 == 0
        missing = -(lead // 320 + packets) % 4
        assert (arrival + 0.02 * missing) % 0.08 < 0.02


async def test_a_crowd_waits_for_each_other_and_few_do_not() -> None:
    encoder = ToyEncoder(6)
    live = Live(encoder, toy_hear, 6, Metrics(), gather_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        loop = tasks.create_task(live.run())
        seats = [take_seat(live) for _ in range(5)]
        for hops, stagger_s in ((1, 0.0), (2, 0.004)):
            for seat, _ in seats:
                seat.push(HOP, False, 0, 0.0)
                await asyncio.sleep(stagger_s)
            for _, listener in seats:
                await listener.wait(hops)
        for seat, _ in seats[:3]:
            live.leave(seat)
        begun = asyncio.get_running_loop().time()
        seats[4][0].push(HOP, False, 0, 0.0)
        await seats[4][1].wait(3)
        assert asyncio.get_running_loop().time() - begun < 0.045
        loop.cancel()
    assert encoder.steps[-2:] == [5, 1], encoder.steps


async def test_a_slot_left_during_a_step_is_not_given_away_before_it_ends(live: Live) -> None:
    seat, listener = take_seat(live)
    encoder(live).go.clear()
    seat.push(HOP, False, 0, 0.0)
    while not encoder(live).busy.is_set():
        await asyncio.sleep(0.001)
    live.leave(seat)
    live.leave(seat)
    assert seat.slot in encoder(live).taken
    encoder(live).go.set()
    async with asyncio.timeout(5):
        while seat.slot in encoder(live).taken:
            await asyncio.sleep(0.001)
    assert listener.updates == []
    seat.push(HOP, False, 0, 0.0)
    assert encoder(live).steps == [1], "a seat that was left takes no audio"


async def test_a_backlog_is_refused(live: Live) -> None:
    seat, _ = take_seat(live)
    other, listener = take_seat(live)
    encoder(live).go.clear()
    with pytest.raises(Overloaded):
        seat.push(np.tile(HOP, 7), False, 0, 0.0)
    live.leave(seat)
    other.push(HOP, False, 0, 0.0)
    encoder(live).go.set()
    await listener.wait(1)


async def test_a_line_that_breaks_ends_itself_only(live: Live) -> None:
    good, good_listener = take_seat(live)
    for broken in ("take_hop", "hop_done"):
        bad, bad_listener = take_seat(live)

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        setattr(bad.line, broken, fail)
        good_listener.updates.clear()
        bad.push(HOP, False, 0, 0.0)
        good.push(HOP, False, 0, 0.0)
        await good_listener.wait(1)
        assert [type(fault) for fault in bad_listener.faults] == [ZeroDivisionError]
        live.leave(bad)


async def test_a_step_that_fails_leaves_the_loop_running(live: Live) -> None:
    seat, listener = take_seat(live)
    encoder(live).fault = RuntimeError("out of memory")
    seat.push(HOP, False, 0, 0.0)
    async with asyncio.timeout(5):
        while not listener.faults:
            await asyncio.sleep(0.001)
    encoder(live).fault = None
    live.leave(seat)
    seat, listener = take_seat(live)
    seat.push(HOP, False, 0, 0.0)
    await listener.wait(1)


async def test_places_are_counted(live: Live) -> None:
    seats = [take_seat(live)[0] for _ in range(4)]
    with pytest.raises(Busy) as caught:
        take_seat(live)
    assert (caught.value.reason, caught.value.retry_after_s) == ("full", 5)
    live.leave(seats[0])
    take_seat(live)


async def test_a_step_that_does_not_end_fills_the_encoder(live: Live) -> None:
    seat, _ = take_seat(live)
    now = 1000.0
    live._clock = lambda: now
    encoder(live).go.clear()
    seat.push(HOP, False, 0, 0.0)
    while not encoder(live).busy.is_set():
        await asyncio.sleep(0.001)
    live.admit()
    now += 1.9
    assert live.busy() == pytest.approx(0.95)
    with pytest.raises(Busy) as caught:
        live.admit()
    assert caught.value.reason == "slow"
    encoder(live).go.set()


async def test_finish_waits_for_the_step_and_closes_the_line(live: Live) -> None:
    seat, listener = take_seat(live)
    encoder(live).go.clear()
    seat.push(np.tile(HOP, 3), False, 0, 0.0)
    while not encoder(live).busy.is_set():
        await asyncio.sleep(0.001)
    finishing = asyncio.create_task(live.finish(seat))
    await asyncio.sleep(0.02)
    assert not finishing.done()
    encoder(live).go.set()
    last = await finishing
    assert last is not None
    assert len(listener.updates) + 2 >= 3 and last.sample >= 3 * 1280
    seat.push(HOP, False, 0, 0.0)
    assert seat.line.hops_ready == 0, "audio after the end is not taken"


async def test_another_line_is_not_given_the_answer_to_the_one_before(live: Live) -> None:
    seat, listener = take_seat(live)
    encoder(live).go.clear()
    seat.push(HOP, False, 0, 0.0)
    while not encoder(live).busy.is_set():
        await asyncio.sleep(0.001)
    seat.restart(ToyLine("113"))
    encoder(live).go.set()
    seat.push(HOP, False, 7, 1.0)
    await listener.wait(1)
    update, rtp, received, _ = listener.updates[0]
    assert update.phones[0].at == "113:1:1" and (rtp, received) == (7 + 3840, 1.0)
    assert listener.faults == []
