"""Which node a new session goes to."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import Config, ConfigError
from server.fleet.messages import Beat
from server.fleet.placement import LIFE_S, SENT_S, Members

HERE = "https://n0.example.org"


def beat(node: str, sessions: int, capacity: int = 20, busy: float = 0.0, accepts: bool = True) -> Beat:
    return Beat(node, f"https://{node}.example.org", sessions, capacity, busy, accepts)


def members(beats: Iterable[Beat], now: float = 0.0) -> Members:
    found = Members(HERE, random.Random(1))
    for one in beats:
        found.heard(one, now)
    return found


def test_a_session_stays_unless_another_node_is_clearly_emptier() -> None:
    own = beat("n0", 10)
    assert members([]).elsewhere(own, 0) is None
    assert members([beat("n1", 6)]).elsewhere(own, 0) is None
    assert members([beat("n1", 4)]).elsewhere(own, 0) == "https://n1.example.org"
    assert members([beat("n1", 4, busy=0.4)]).elsewhere(own, 0) is None, "its encoder is as busy as we are full"


def test_sending_away_goes_on_until_the_nodes_are_alike() -> None:
    """With one threshold two nodes at the edge of it would each send to the other, or every second session would go."""
    nodes = members([beat("n1", 4)])
    assert nodes.elsewhere(beat("n0", 10), 0.0) is not None
    nodes.heard(beat("n1", 5), 10.0)
    assert nodes.elsewhere(beat("n0", 9), 10.0) is not None, "0.20 apart, below what it takes to begin"
    nodes.heard(beat("n1", 7), 20.0)
    assert nodes.elsewhere(beat("n0", 8), 20.0) is None
    nodes.heard(beat("n1", 5), 30.0)
    assert nodes.elsewhere(beat("n0", 9), 30.0) is None, "it has ended, and 0.20 does not begin it again"


def test_a_burst_between_two_beats_is_spread() -> None:
    nodes = members([beat("n1", 0), beat("n2", 0)])
    sent = [nodes.elsewhere(beat("n0", 10), 0.1) for _ in range(20)]
    assert sent.count(None) > 0, "what was sent counts there at once"
    assert abs(sent.count("https://n1.example.org") - sent.count("https://n2.example.org")) <= 2
    nodes.heard(beat("n1", 0), 0.1 + SENT_S)
    nodes.heard(beat("n2", 0), 0.1 + SENT_S)
    assert nodes.elsewhere(beat("n0", 10), 0.2 + SENT_S) is not None, "the beats tell now, and they tell of none"


def test_a_node_that_refuses_sends_to_the_emptiest_that_does_not() -> None:
    full = beat("n0", 20, accepts=False)
    assert members([beat("n1", 19), beat("n2", 10, accepts=False)]).elsewhere(full, 0) == "https://n1.example.org"
    assert members([beat("n1", 20)]).elsewhere(full, 0) is None, "nobody has room"


def test_a_silent_node_gets_nobody_and_is_forgotten() -> None:
    nodes = members([beat("n1", 0)])
    assert nodes.elsewhere(beat("n0", 20), LIFE_S + 0.1) is None
    assert nodes.expire(LIFE_S + 0.1) == ["n1"] and "n1" not in nodes


def test_siblings_behind_the_same_front_and_nodes_without_an_address_get_nobody() -> None:
    sibling = Beat("n1", HERE, 0, 20, 0.0, True)
    hidden = Beat("n2", "", 0, 20, 0.0, True)
    nodes = members([sibling, hidden])
    assert nodes.elsewhere(beat("n0", 20, accepts=False), 0) is None
    assert nodes.urls == frozenset()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=120), st.integers(2, 20))
def test_nodes_that_place_by_beats_never_leave_one_much_fuller(asked_at: list[int], every: int) -> None:
    """Whatever node each session is asked for at: with beats after every few, levels differ little in the end."""
    counts = [0, 0, 0]
    capacity = 120
    views = [Members(f"https://n{n}.example.org", random.Random(n)) for n in range(3)]
    now = 0.0
    for number, here in enumerate(asked_at):
        if number % every == 0:
            now += SENT_S
            for n, view in enumerate(views):
                for other in range(3):
                    if other != n:
                        view.heard(beat(f"n{other}", counts[other], capacity), now)
        url = views[here].elsewhere(beat(f"n{here}", counts[here], capacity), now)
        counts[here if url is None else int(url[9])] += 1
    assert max(counts) - min(counts) <= 0.25 * capacity + 2 * every


@pytest.mark.parametrize(
    "url",
    ["redis://redis.example.org", "redis://:@127.0.0.1", "http://:pw@127.0.0.1", "redis://:pw@127.0.0.1:x", "rediss:///"],
)  # fmt: skip
def test_a_redis_that_anybody_can_write_to_is_refused(url: str) -> None:
    link = pytest.importorskip("server.fleet.link", reason="the extra 'redis' is not installed")
    with pytest.raises(ConfigError, match="--redis"):
        link.check_url(url)


@pytest.mark.parametrize("url", ["redis://:pw@10.0.0.1:6379/2", "rediss://redis.example.org", "unix:///run/redis.sock"])
def test_a_redis_that_asks_who_you_are_is_taken(url: str) -> None:
    link = pytest.importorskip("server.fleet.link", reason="the extra 'redis' is not installed")
    assert link.check_url(url) == url and "pw" not in link.shown(url)


def test_the_address_of_a_node_needs_a_fleet_and_must_be_one() -> None:
    with pytest.raises(ConfigError, match="--node-url"):
        Config(node_url="https://n1.example.org")
    with pytest.raises(ConfigError, match="--node-url"):
        Config(redis="redis://:pw@127.0.0.1", node_url="n1.example.org")
