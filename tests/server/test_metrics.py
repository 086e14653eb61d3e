"""The text format of the metrics."""

from collections.abc import Iterator

import pytest

from recitation.mushaf import AddressError
from recitation.pipeline import passage
from server.metrics import Histogram, Metrics


def test_a_histogram_counts_up() -> None:
    histogram = Histogram((0.01, 0.1))
    for seconds in (0.005, 0.01, 0.02, 5.0):
        histogram.observe(seconds)
    assert list(histogram.samples("x", 'stage="a"')) == [
        'x_bucket{stage="a",le="0.01"} 2',
        'x_bucket{stage="a",le="0.1"} 3',
        'x_bucket{stage="a",le="+Inf"} 4',
        'x_sum{stage="a"} 5.035',
        'x_count{stage="a"} 4',
    ]


def test_every_family_is_declared_once_before_its_samples() -> None:
    metrics = Metrics()
    metrics.end("left")
    metrics.end("left")
    metrics.refuse("full")
    text = metrics.text()
    assert 'talaqqi_sessions_ended_total{reason="left"} 2' in text.splitlines()
    declared: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            name = line.split()[2]
            assert name not in declared
            declared.add(name)
        elif not line.startswith("#"):
            bare = line.split("{")[0].split(" ")[0]
            assert any(bare == name or bare.removeprefix(name) in ("_bucket", "_sum", "_count") for name in declared)


@pytest.fixture
def fresh_cache() -> Iterator[None]:
    """The cache of passages as at the start of a server."""
    passage.cache_clear()
    yield
    passage.cache_clear()


def test_the_use_of_a_cache_is_counted(fresh_cache: None) -> None:
    metrics = Metrics()
    metrics.caches["passage"] = passage.cache_info
    for _ in range(3):
        passage("112")
    passage("113")
    with pytest.raises(AddressError):
        passage("115")
    lines = metrics.text().splitlines()
    assert 'talaqqi_cache_hits_total{cache="passage"} 2' in lines
    assert 'talaqqi_cache_misses_total{cache="passage"} 3' in lines
    assert "# TYPE talaqqi_cache_hits_total counter" in lines


def test_without_caches_no_figure_is_made_up() -> None:
    assert "cache" not in Metrics().text()
