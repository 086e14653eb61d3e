"""Figures of a running server in Prometheus' text format (version 0.0.4), without a registry or a dependency."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol, get_args

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counter:
    """A number that only grows."""

    kind = "counter"

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def add(self, amount: float = 1.0) -> None:
        """Count `amount` more."""
        self.value += amount

    def samples(self, name: str, labels: str) -> Iterator[str]:
        """Lines of the text format."""
        yield f"{name}{_braced(labels)} {_number(self.value)}"


class Gauge(Counter):
    """A number that goes up and down."""

    kind = "gauge"

    def set(self, value: float) -> None:
        """It is `value` now."""
        self.value = value


Way = Literal["webrtc", "websocket"]
"""How a session's audio comes."""


class Sessions(dict[Way, Gauge]):
    """Sessions open, by the way their audio comes."""

    def __init__(self) -> None:
        super().__init__({way: Gauge() for way in get_args(Way)})

    @property
    def value(self) -> float:
        """All of them."""
        return sum(gauge.value for gauge in self.values())


class Histogram:
    """How often a duration fell under each bound. Bounds in seconds, ascending."""

    kind = "histogram"

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Note one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    @property
    def count(self) -> int:
        """Durations noted."""
        return sum(self._counts)

    def samples(self, name: str, labels: str) -> Iterator[str]:
        """Lines of the text format."""
        reached = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            reached += count
            within = f'{labels},le="{_number(bound)}"' if labels else f'le="{_number(bound)}"'
            yield f"{name}_bucket{{{within}}} {reached}"
        yield f"{name}_sum{_braced(labels)} {_number(self._sum)}"
        yield f"{name}_count{_braced(labels)} {reached}"


class CacheUse(Protocol):
    """How a cache fared so far, as `cachetools` tells it."""

    @property
    def hits(self) -> int:
        """Times what was asked for was kept."""

    @property
    def misses(self) -> int:
        """Times it had to be made."""


Metric = Counter | Histogram

STAGES = ("tap", "wait", "voice", "encode", "judge", "find", "pitch", "send", "server")
"""tap: last packet of a hop in to samples out. wait: hop complete to step. voice: voice network for all in the step.
encode: encoder for all in the step. judge: tracker and scores. find: a question where the student is, in its own
thread. pitch: pitch of all sessions in a call, in its own thread. send: messages made and handed to the channel.
server: newest packet in to feedback out."""

_STAGE_BOUNDS = {
    "tap": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08),
    "wait": (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.5, 2.0),
    "voice": (0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05),
    "encode": (0.001, 0.002, 0.004, 0.006, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08, 0.16),
    "judge": (0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05),
    "find": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
    "pitch": (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5),
    "send": (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.02),
    "server": (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2, 0.5, 2.0),
}
"""Bounds lie around each stage's budget, so that its percentiles can be read."""

_CONNECT_BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
_LAG_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
_COMMIT_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
_BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Every figure of a server."""

    def __init__(self) -> None:
        self.sessions = Sessions()
        self.capacity = Gauge()
        self.adrift = Gauge()
        self.resumed: dict[str, Counter] = {}
        self.snapshots = Counter()
        self.snapshot_faults = Counter()
        self.teachers = Gauge()
        self.listeners = Gauge()
        self.opened = Counter()
        self.ended: dict[str, Counter] = {}
        self.refused: dict[str, Counter] = {}
        self.packets = Counter()
        self.lost_packets = Counter()
        self.concealed_packets = Counter()
        self.feedback = Counter()
        self.feedback_skipped = Counter()
        self.bad_messages = Counter()
        self.faults = Counter()
        self.connect = {way: Histogram(_CONNECT_BOUNDS) for way in get_args(Way)}
        self.stages = {stage: Histogram(_STAGE_BOUNDS[stage]) for stage in STAGES}
        self.batch = Histogram(_BATCH_BOUNDS)
        self.busy = Gauge()
        self.hops_waiting = Gauge()
        self.loop_lag = Histogram(_LAG_BOUNDS)
        self.nodes = Gauge(1)
        self.redis_up = Gauge()
        self.bad_node_messages = Counter()
        self.sent_elsewhere = Counter()
        self.page_frames = Histogram((0.008, 0.012, 0.017, 0.02, 0.025, 0.034, 0.05, 0.1))
        self.storage_rows = Counter()
        self.storage_dropped = Counter()
        self.storage_failures = Counter()
        self.storage_commits = Histogram(_COMMIT_BOUNDS)
        self.caches: dict[str, Callable[[], CacheUse]] = {}
        """Caches by name, asked when the figures are."""

    def end(self, reason: str) -> None:
        """A session ended."""
        self.ended.setdefault(reason, Counter()).add()

    def resume(self, source: str) -> None:
        """A session was taken up, `live` or from a `snapshot`; `unknown`: there was none."""
        self.resumed.setdefault(source, Counter()).add()

    def refuse(self, reason: str) -> None:
        """A session was refused."""
        self.refused.setdefault(reason, Counter()).add()

    def text(self) -> str:
        """All figures in the text format."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for name, explained, series in self._families():
            first = next(iter(series.values()), None)
            if first is None:
                continue
            yield f"# HELP talaqqi_{name} {explained}"
            yield f"# TYPE talaqqi_{name} {first.kind}"
            for labels, metric in series.items():
                yield from metric.samples(f"talaqqi_{name}", labels)

    def _families(self) -> Iterator[tuple[str, str, dict[str, Metric]]]:
        yield "sessions", "Sessions open.", _labelled("transport", self.sessions)
        yield "sessions_adrift", "Sessions kept whose clients are away.", {"": self.adrift}
        yield "sessions_resumed_total", "Sessions taken up again.", _labelled("source", self.resumed)
        yield "snapshots_total", "Snapshots written.", {"": self.snapshots}
        yield "snapshot_faults_total", "Times the snapshot store could not be used.", {"": self.snapshot_faults}
        yield "sessions_capacity", "Sessions that may be open.", {"": self.capacity}
        yield "teachers", "Teachers watching.", {"": self.teachers}
        yield "listeners", "Teachers listening to a student.", {"": self.listeners}
        yield "sessions_opened_total", "Sessions accepted.", {"": self.opened}
        yield "sessions_ended_total", "Sessions ended, by reason.", _labelled("reason", self.ended)
        yield "sessions_refused_total", "Sessions refused, by reason.", _labelled("reason", self.refused)
        yield "rtp_packets_total", "Audio packets received.", {"": self.packets}
        yield "rtp_packets_lost_total", "Audio packets given up.", {"": self.lost_packets}
        yield "rtp_packets_concealed_total", "Audio made up, in packets of 20 ms.", {"": self.concealed_packets}
        yield "feedback_messages_total", "Feedback messages sent.", {"": self.feedback}
        yield (
            "feedback_skipped_total",
            "Feedback messages not sent, the channel being full.",
            {"": self.feedback_skipped},
        )
        yield "bad_messages_total", "Messages and audio frames refused.", {"": self.bad_messages}
        yield "faults_total", "Sessions ended by a fault of the server.", {"": self.faults}
        yield "connect_seconds", "Asked for to connected.", _labelled("transport", self.connect)
        yield "stage_seconds", "Time in each stage of a hop.", _labelled("stage", self.stages)
        yield "batch_sessions", "Sessions in an encoder step.", {"": self.batch}
        yield "encoder_busy_ratio", "Share of the last 2 s the encoder was busy.", {"": self.busy}
        yield "hops_waiting", "Hops of all sessions that wait for the encoder.", {"": self.hops_waiting}
        yield "loop_lag_seconds", "Lateness of a 20 ms timer on the event loop.", {"": self.loop_lag}
        yield "page_frame_seconds", "95th percentile of frame times, as pages report.", {"": self.page_frames}
        yield "storage_rows_total", "Verdicts and remarks kept.", {"": self.storage_rows}
        yield "storage_dropped_total", "Rows lost for want of room or by a fault.", {"": self.storage_dropped}
        yield "storage_failures_total", "Commits that failed; tried again.", {"": self.storage_failures}
        yield "storage_commit_seconds", "Time of a commit.", {"": self.storage_commits}
        yield "nodes", "Server processes known, this one included.", {"": self.nodes}
        yield "redis_up", "Redis can be reached.", {"": self.redis_up}
        yield "node_messages_refused_total", "Messages of other nodes not understood.", {"": self.bad_node_messages}
        yield "sessions_sent_elsewhere_total", "Sessions sent to a less loaded node.", {"": self.sent_elsewhere}
        used = {name: use() for name, use in self.caches.items()}
        hits = {name: Counter(use.hits) for name, use in used.items()}
        misses = {name: Counter(use.misses) for name, use in used.items()}
        yield "cache_hits_total", "Times what was asked for was kept, by cache.", _labelled("cache", hits)
        yield "cache_misses_total", "Times it had to be made, by cache.", _labelled("cache", misses)


def _labelled(label: str, series: Mapping[Way, Metric] | Mapping[str, Metric]) -> dict[str, Metric]:
    return {f'{label}="{value}"': metric for value, metric in series.items()}


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.9g}"
