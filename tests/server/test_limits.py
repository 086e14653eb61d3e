"""Requests by address."""

import pytest

from server.limits import MOST_ADDRESSES, AddressLimit, client_address


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_granted_and_then_so_many_a_minute() -> None:
    clock = Clock()
    limit = AddressLimit(3, 30, clock)
    assert [limit.ask("192.0.2.1") for _ in range(3)] == [0, 0, 0]
    assert limit.ask("192.0.2.1") == pytest.approx(2.0)
    clock.now += 1.5
    assert limit.ask("192.0.2.1") == pytest.approx(0.5), "asking in vain costs nothing"
    clock.now += 0.6
    assert limit.ask("192.0.2.1") == 0
    clock.now += 3600
    assert [limit.ask("192.0.2.1") > 0 for _ in range(4)] == [False, False, False, True]


def test_one_address_does_not_use_up_anothers() -> None:
    limit = AddressLimit(1, 1, Clock())
    assert limit.ask("192.0.2.1") == 0 and limit.ask("192.0.2.1") > 0
    assert limit.ask("192.0.2.2") == 0
    assert limit.ask("2001:db8::1") == 0
    assert limit.ask("2001:db8::ffff") > 0, "the same household"
    assert limit.ask("2001:db8:0:1::1") == 0
    assert limit.ask("::ffff:192.0.2.2") > 0, "IPv4 by another name"


def test_this_machine_is_not_limited() -> None:
    limit = AddressLimit(1, 1, Clock())
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", None, ""):
        assert [limit.ask(address) for _ in range(3)] == [0, 0, 0]
    assert [AddressLimit(1, 0, Clock()).ask("192.0.2.1") for _ in range(1)] == [0]


def test_memory_is_bounded() -> None:
    limit = AddressLimit(1, 1, Clock())
    for n in range(MOST_ADDRESSES + 10):
        limit.ask(f"host-{n}")
    assert len(limit._buckets) == MOST_ADDRESSES
    assert limit.ask(f"host-{MOST_ADDRESSES}") > 0


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "address"),
    [
        ("192.0.2.1", None, [], "192.0.2.1"),
        ("127.0.0.1", "203.0.113.5", [], "203.0.113.5"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.5", [], "203.0.113.5"),
        ("198.51.100.1", "6.6.6.6", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.2", "6.6.6.6, 203.0.113.5, 10.1.2.3", ["10.0.0.0/8"], "203.0.113.5"),
        ("::ffff:10.0.0.2", "2001:db8::7", ["10.0.0.0/8"], "2001:db8::7"),
        ("10.0.0.2", "10.0.0.9", ["10.0.0.0/8"], "10.0.0.9"),
        ("10.0.0.2", "nonsense", ["10.0.0.0/8"], "nonsense"),
        (None, "203.0.113.5", ["10.0.0.0/8"], ""),
    ],
)
def test_who_asks_through_proxies(remote: str | None, forwarded: str | None, trusted: list[str], address: str) -> None:
    """What a client says of itself comes before what our proxies saw, and counts for nothing."""
    assert client_address(remote, forwarded, trusted) == address
