"""The thirty cells, on each Postgres."""

from __future__ import annotations

from tests.conftest import ROOT, Cluster
from tests.reliability.hermitage import SCENARIOS, Seen, cells, table


def test_each_postgres_prevents_at_each_level_what_the_table_says(cluster: Cluster) -> None:
    database = cluster.database("bare")
    found = cells(database)
    cluster.drop(database)
    assert found == {(each.anomaly, each.variant): list(each.expected) for each in SCENARIOS}


def test_what_no_level_allows_would_be_seen_nevertheless() -> None:
    """Histories that Postgres never gives: of a database without these guards."""
    seen: dict[str, Seen] = {
        "G0 dirty write": {"end": [12, 21]},
        "G1a aborted read": {"early": [101], "late": [10]},
        "G1b intermediate read": {"early": [101], "late": [11]},
        "G1c circular information flow": {"other of 1": [22], "other of 2": [11]},
        "OTV observed transaction vanishes": {
            "x early": [11],
            "y early": [21],
            "y late": [22],
            "x late": [11],
        },
    }
    never = {s.anomaly: s for s in SCENARIOS if not any("possible" in e for e in s.expected)}
    assert seen.keys() == never.keys()
    assert all(never[anomaly].happened(what) for anomaly, what in seen.items())


def test_the_table_has_ten_anomalies_and_three_levels() -> None:
    rows = [line.split("|")[1:-1] for line in table().splitlines()]
    assert len(rows) == 2 + 10
    assert {len(row) for row in rows} == {1 + 3}


def test_the_page_on_isolation_has_the_table() -> None:
    page = (ROOT / "docs/explanation/isolation.md").read_text()
    assert f"<!-- hermitage -->\n{table()}\n<!-- /hermitage -->" in page
