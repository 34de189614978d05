"""ledger_private.merkle_root against RFC 6962 as it is written there."""

from __future__ import annotations

from tests.exports import merkle_root
from tests.world import Household


def test_trees_of_every_shape_are_those_of_rfc_6962(home: Household) -> None:
    owner = home.owner()
    for count in [*range(18), 31, 32, 33, 64, 100]:
        leaves = [bytes([number]) * number for number in range(count)]
        [row] = owner.query("select ledger_private.merkle_root(%s::bytea[]) as root", [leaves])
        assert row["root"] == merkle_root(leaves), count
