"""The text format of the metrics."""

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
