"""What the benchmark makes of its figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import plots, results, scale, transfers
from tests.bench.results import Line


def sample() -> list[Line]:
    """Two rounds of rates and latencies."""
    rates = [
        Line(name, clients, "per second", transfers.YARDSTICK, rounds=[clients * 10.0, 500.0])
        for name in plots.RATES
        for clients in transfers.CLIENTS
    ]
    latencies = [
        Line(name, size, "ms", rounds=[0.5, 0.7], tails=[1.0, 2.0])
        for name in scale.STATEMENTS
        for size in (10_000, 5_000_000)
    ]
    return rates + latencies


def test_figures_survive_their_file_and_can_be_drawn_from_it(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    results.write(sample(), {"rounds": 2}, file)
    lines = results.read(file)
    assert lines == sample()
    drawn = plots.draw(lines, tmp_path / "plots")
    assert [path.name for path in drawn] == ["throughput.png", "latency.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_nothing_is_drawn_of_what_was_not_measured(tmp_path: Path) -> None:
    assert plots.draw([], tmp_path) == []


def test_a_ratio_is_taken_within_each_round() -> None:
    fast = Line("fast", 8, "per second", rounds=[100.0, 10.0, 1000.0])
    slow = Line("slow", 8, "per second", fast.key, rounds=[50.0, 5.0, 400.0])
    assert results.ratio(slow, [fast, slow]) == 0.5
    assert results.ratio(fast, [fast, slow]) is None


@pytest.mark.parametrize(
    ("unit", "figure", "met"),
    [
        ("per second", 1.0, True),
        ("per second", 0.99, False),
        ("ms", 1.0, True),
        ("ms", 1.01, False),
    ],
)
def test_a_bar_bounds_rates_from_below_and_latencies_from_above(
    unit: str, figure: float, met: bool
) -> None:
    assert Line("work", 8, unit, bar=1.0).met(figure) is met
