"""How often one address may ask: a token bucket each, so that nobody keeps the others out by asking without end.

An address is an IPv4 address or the 64-bit network of an IPv6 address, which is what one household is given. Addresses
of this machine are not limited: they are the probe, or a proxy that does not say for whom it asks.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Collection

MOST_ADDRESSES = 10_000
"""Buckets kept. Overflow forgets the address that asked longest ago."""


class AddressLimit:
    """`burst` requests at once, `per_minute` in the long run. No limit where `per_minute` is 0."""

    def __init__(self, burst: int, per_minute: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._rate = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Requests left, and the time of that count."""

    def ask(self, address: str | None) -> float:
        """0 when the request is granted, else the seconds until one will be."""
        network = _network(address)
        if self._rate == 0 or network is None:
            return 0.0
        now = self._clock()
        left, since = self._buckets.pop(network, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        granted = left >= 1
        self._buckets[network] = (left - granted, now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if granted else (1 - left) / self._rate


def client_address(remote: str | None, forwarded: str | None, trusted: Collection[str]) -> str | None:
    """Who asks through proxies: of `X-Forwarded-For`, read from the end, the first that is none of the `trusted`
    networks; what stands before it is only what the client says. Empty `trusted`: `remote` is our one proxy."""
    if not forwarded:
        return remote
    hops = [hop.strip() for hop in forwarded.split(",")]
    if not trusted:
        return hops[-1]
    for address in [remote or "", *reversed(hops)]:
        if not _is_in(address, trusted):
            return address
    return hops[0]


def _is_in(address: str, networks: Collection[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in ipaddress.ip_network(network) for network in networks)


def _network(address: str | None) -> str | None:
    """What shares a bucket; None for what has none."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return None if parsed.is_loopback else str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return None if parsed.is_loopback else str(parsed)
