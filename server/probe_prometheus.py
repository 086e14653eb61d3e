"""A probe's report in Prometheus' text format, for node_exporter's textfile collector or a push gateway."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}


def exposition(report: Mapping[str, Any] | None, url: str, at: float, passed: int = 0) -> str:
    """All figures of a report; of None, a probe that could not recite, only that it failed. `at` is seconds since 1970,
    `passed` how many limits were passed."""
    return "\n".join(_lines(report, _escaped(url), at, passed)) + "\n"


def _lines(report: Mapping[str, Any] | None, url: str, at: float, passed: int) -> Iterator[str]:
    yield from _family("up", "gauge", "1 where the probe could recite to the end.")
    good = report is not None and not report["broken"]
    yield f'talaqqi_probe_up{{url="{url}"}} {int(good)}'
    yield from _family("time_seconds", "gauge", "When the probe ended.")
    yield f'talaqqi_probe_time_seconds{{url="{url}"}} {at:.0f}'
    if report is None:
        return
    yield from _family("limits_passed", "gauge", "Limits that were passed.")
    yield f'talaqqi_probe_limits_passed{{url="{url}"}} {passed}'
    yield from _family("delay_seconds", "gauge", "Quantiles of delays; +Inf where so many never came.")
    spreads = {
        "tentative": report["tentative"],
        "confirmed": report["confirmed"],
        "words": report["words"]["confirmed"],
        **{name: report[name] for name in ("transport", "server", "connect", "sender_lag")},
    }
    for name, spread in spreads.items():
        for percentile, quantile in _QUANTILES.items():
            value = math.inf if spread[percentile] is None else spread[percentile] / 1000
            shown = "+Inf" if math.isinf(value) else f"{value:.4f}"
            yield f'talaqqi_probe_delay_seconds{{url="{url}",kind="{name}",quantile="{quantile}"}} {shown}'
    yield from _family("missing_ratio", "gauge", "Share of phones on which no feedback came.")
    for name in ("tentative", "confirmed"):
        share = report[name]["missing"] / max(1, report[name]["n"])
        yield f'talaqqi_probe_missing_ratio{{url="{url}",kind="{name}"}} {share:.4f}'


def _family(name: str, kind: str, explained: str) -> tuple[str, str]:
    return f"# HELP talaqqi_probe_{name} {explained}", f"# TYPE talaqqi_probe_{name} {kind}"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(path: Path, text: str) -> None:
    """Replace a file at once, so that a collector never reads half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)
