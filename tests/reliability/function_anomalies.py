"""Each function at its declared level, against the anomalies that read committed allows.

What Hermitage says of a level (hermitage.py) is what a function written carelessly would suffer.
Ours lock what they check, so that the second caller waits and then sees what the first has left.
Steps as in Hermitage, on a book where a, b and c have 100 and a floor of zero and d is the world.
Readers are one STABLE call: they are stopped at their own breakpoints, see READERS in pairs.py.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import groupby

from tests.reliability.hermitage import Players, Seen

P4, SINGLE, SKEW, CYCLE = "P4 lost update", "G-single read skew", "G2-item write skew", "G2 cycle"
PMP, OTV = "PMP predicate-many-preceders", "OTV observed transaction vanishes"
NAMES = {
    name: f"00000000-0000-7000-8000-00000000000{number}" for number, name in enumerate("abcdhg")
}
WORLD = """
select ledger.create_book('Book', 'EUR', id => {book});
select ledger.open_account({book}, 'a', 'asset', 'EUR', id => {a});
select ledger.open_account({book}, 'b', 'asset', 'EUR', id => {b});
select ledger.open_account({book}, 'c', 'asset', 'EUR', id => {c});
select ledger.open_account({book}, 'd', 'equity', 'EUR', id => {d});
select ledger.transfer({book}, {d}, {a}, 100, description => 'first');
select ledger.transfer({book}, {d}, {b}, 100);
select ledger.transfer({book}, {d}, {c}, 100);
"""
HELD = "select ledger.create_hold({book}, {a}, {c}, 40, id => {h});"
OVERDUE = HELD + "update ledger_private.holds set expires_at = now() where book_id = {book};"
JOINT = "select ledger.set_account_group({book}, 'Joint', array[{a}, {b}]::uuid[], 140, {g});"
FIRST = """(select id from ledger.transactions where book_id = {book} and description = 'first')"""
ENTRIES = """array(
    select jsonb_populate_record(null::ledger.entry_input, e) from jsonb_array_elements(
        jsonb_build_array(
            jsonb_build_object('account_id', {a}, 'amount', -10),
            jsonb_build_object('account_id', {c}, 'amount', 10)
        )
    ) as e
)""".replace("\n", " ")


@dataclass(frozen=True)
class Proof:
    """One function against one anomaly.

    Attributes:
        calls: Of two sessions, the second while the first has not committed.
        end: What is looked at afterwards.
        wanted: What it then has to be, if nothing went wrong.
        told: What the sessions are told in the meantime.
    """

    function: str
    anomaly: str
    calls: tuple[str, str]
    told: str
    wanted: tuple[int, ...]
    given: str = ""
    end: str = "posted"
    level: str = "read committed"


def _twice(call: str) -> tuple[str, str]:
    return call, call


PROOFS = (
    Proof(
        "transfer",
        P4,
        _twice("transfer({book}, {a}, {c}, 70)"),
        "waits, insufficient_funds",
        (30, 100, 170),
    ),
    Proof(
        "transfer",
        SKEW,
        ("transfer({book}, {a}, {d}, 60)", "transfer({book}, {b}, {c}, 60)"),
        "waits, group_floor",
        (40, 100, 100),
        JOINT,
    ),
    Proof(
        "transfer",
        CYCLE,
        _twice("transfer({book}, {a}, {c}, 10, 'key')"),
        "waits",
        (90, 100, 110),
    ),
    Proof(
        "lock_period",
        CYCLE,
        ("lock_period({book}, '0001-01-01', '9999-12-31')", "transfer({book}, {a}, {c}, 10)"),
        "waits, period_locked",
        (100, 100, 100),
    ),
    Proof(
        "transfer_up_to", P4, _twice("transfer_up_to({book}, {a}, {c}, 70)"), "waits", (0, 100, 200)
    ),
    Proof(
        "transfer_serializable",
        P4,
        _twice("transfer_serializable({book}, {a}, {c}, 10)"),
        "waits, serialization_conflict",
        (90, 100, 110),
        level="serializable",
    ),
    Proof(
        "transfer_serializable",
        SKEW,
        (
            "transfer_serializable({book}, {a}, {d}, 60)",
            "transfer_serializable({book}, {b}, {c}, 60)",
        ),
        "serialization_conflict",
        (40, 100, 100),
        JOINT,
        level="serializable",
    ),
    Proof(
        "post_transaction",
        P4,
        _twice(f"post_transaction({{book}}, {ENTRIES})"),
        "waits",
        (80, 100, 120),
    ),
    Proof(
        "create_hold",
        P4,
        _twice("create_hold({book}, {a}, {c}, 60)"),
        "waits, insufficient_funds",
        (60, 0, 0),
        end="held",
    ),
    Proof(
        "create_hold",
        SKEW,
        ("create_hold({book}, {a}, {d}, 60)", "create_hold({book}, {b}, {c}, 60)"),
        "waits, group_floor",
        (60, 0, 0),
        JOINT,
        end="held",
    ),
    Proof(
        "capture_hold",
        P4,
        _twice("capture_hold({book}, {h}, 30, false)"),
        "waits, invalid_amount",
        (70, 100, 130),
        HELD,
    ),
    Proof(
        "release_hold",
        P4,
        _twice("release_hold({book}, {h})"),
        "waits, hold_state",
        (0, 0, 0),
        HELD,
        end="held",
    ),
    Proof(
        "expire_holds",
        PMP,
        ("release_hold({book}, {h})", "expire_holds({book})"),
        "waits",
        (0, 0, 0),
        OVERDUE,
        end="held",
    ),
    Proof(
        "reverse_transaction",
        P4,
        _twice(f"reverse_transaction({{book}}, {FIRST}, 60)"),
        "waits, already_reversed",
        (40, 100, 100),
    ),
    Proof(
        "set_balance_limits",
        SKEW,
        ("set_balance_limits({book}, {a}, 80, null)", "transfer({book}, {a}, {c}, 70)"),
        "waits, insufficient_funds",
        (100, 100, 100),
    ),
    Proof(
        "close_account",
        SKEW,
        ("close_account({book}, {a}, {b})", "transfer({book}, {c}, {a}, 10)"),
        "waits, account_closed",
        (0, 200, 100),
    ),
)

READS = {
    "get_balances": "posted from ledger.get_balances({book}) order by account_id limit 3",
    "trial_balance": "posted from ledger.trial_balance({book}) order by account_id limit 3",
    "statement": "closing from ledger.statement({book}, {a}, '0001-01-01', '9999-12-31')",
    "account_register": "running_balance from ledger.account_register({book}, {a}) limit 1",
}
"""Readers, and what of them is compared."""


def outcome(players: Players, proof: Proof) -> tuple[str, tuple[int, ...]]:
    """What the sessions are told, and what is there at the end."""
    first, second = proof.calls
    played = players.play(
        _fitted(
            players,
            proof.given,
            f"""
            1 select 1 from ledger.{first}
            2 select 1 from ledger.{second}
            1 commit
            2 commit
            3 end: select {proof.end} from ledger.get_balances({{book}}) order by account_id limit 3
            3 commit
            """,
        ),
        proof.level,
    )
    return ", ".join(played.told), tuple(played.seen["end"])


def vanishes(players: Players, read: str) -> Seen:
    """What a reader sees between two transfers of one account, and after both."""
    played = players.play(
        _fitted(
            players,
            "",
            f"""
            1 select ledger.transfer({{book}}, {{a}}, {{c}}, 10)
            2 select ledger.transfer({{book}}, {{a}}, {{c}}, 20)
            3 before: select {read}
            1 commit
            3 between: select {read}
            2 commit
            3 after: select {read}
            3 commit
            """,
        ),
        "read committed",
    )
    return played.seen


def _fitted(players: Players, given: str, steps: str) -> str:
    """The steps on a new book."""
    literals = {name: f"'{value}'" for name, value in NAMES.items()}
    literals["book"] = f"'{uuid.uuid4()}'"
    players.observer.execute((WORLD + given).format_map(literals))
    return steps.format_map(literals)


def table() -> str:
    """Functions by anomalies, in Markdown: what the second caller is told."""
    anomalies = (PMP, P4, SINGLE, SKEW, CYCLE, OTV)
    lines = ["| function | " + " | ".join(anomalies) + " |", "|---" * (len(anomalies) + 1) + "|"]
    for function, proofs in groupby(PROOFS, lambda proof: proof.function):
        told = {proof.anomaly: proof.told for proof in proofs}
        lines.append(f"| `{function}` | " + " | ".join(told.get(a, "") for a in anomalies) + " |")
    for function in READS:
        told = {SINGLE: "one snapshot", OTV: "one snapshot"}
        lines.append(f"| `{function}` | " + " | ".join(told.get(a, "") for a in anomalies) + " |")
    return "\n".join(lines)
