"""What somebody with the keys to the database can do to a book, by kind.

Each kind draws from a book one alteration that changes something. Not among them is what the format
leaves out on purpose, so that it can be erased or changed: descriptions, metadata, names, external
ids, keys and their hashes, who did it and when it was posted; nor rules that only allow more or
less from now on: floors and groups that hold all the same, holders, locked periods.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from tests.integration.ledger_private.test_entries import entry_hash
from tests.reliability.shapes import Statement, Stored, delete, insert, update
from tests.world import Row

Kind = Callable[[Stored], list[Statement]]
NOWHERE = uuid.UUID(int=1)
FIRST = date(1990, 1, 1)


def flipped(stored: Stored, value: bytes) -> bytes:
    """Bytes of which one bit is another."""
    bit = stored.dice.randrange(8 * len(value))
    return bytes(b ^ (1 << bit % 8) * (number == bit // 8) for number, b in enumerate(value))


def delta(stored: Stored) -> int:
    """A change of an amount, never none."""
    return stored.dice.choice((-1, 1)) * stored.dice.randint(1, 9)


def shift(stored: Stored) -> timedelta:
    """A change of a moment: microseconds, or days."""
    count = delta(stored)
    return stored.dice.choice((timedelta(microseconds=count), timedelta(days=count)))


def another(stored: Stored, rows: Iterable[Any], than: Any) -> Any:
    """One of the rows that is not this one."""
    return stored.dice.choice([row for row in rows if row != than])


def changed(table: str, column: str, how: Callable[[Stored, Row], Any]) -> Kind:
    """A column of one row, whichever."""

    def alter(stored: Stored) -> list[Statement]:
        row = stored.dice.choice(stored[table])
        return [update(table, row, **{column: how(stored, row)})]

    return alter


def where(table: str, which: Callable[[Row], bool], how: Callable[[Stored, Row], Row]) -> Kind:
    """Columns of one row that is of a certain sort."""

    def alter(stored: Stored) -> list[Statement]:
        row = stored.dice.choice([row for row in stored[table] if which(row)])
        return [update(table, row, **how(stored, row))]

    return alter


def removed(table: str, which: Callable[[Row], bool] = lambda _: True) -> Kind:
    """One row that is of a certain sort."""
    return lambda stored: [
        delete(table, stored.dice.choice([row for row in stored[table] if which(row)]))
    ]


def effective(entry: Row) -> date:
    """The value date of an entry."""
    on: date = entry["dated"] or entry["booked_at"].date()
    return on


def numbered_otherwise(stored: Stored) -> list[Statement]:
    """Two entries of a chain change their places."""
    chain = another(stored, [c for c in _chains(stored) if len(c) > 1], None)
    one, two = stored.dice.sample(chain, 2)
    return [
        update("entries", one, version=two["version"]),
        update("entries", two, version=one["version"]),
    ]


def contents_swapped(stored: Stored) -> list[Statement]:
    """Two entries of one account change their amounts, with the hashes where they were."""
    one = stored.dice.choice(stored["entries"])
    two = stored.dice.choice([e for e in stored["entries"] if e["amount"] != one["amount"]])
    return [
        update("entries", one, amount=two["amount"]),
        update("entries", two, amount=one["amount"]),
    ]


def both_legs(stored: Stored) -> list[Statement]:
    """A transaction of another amount, which still sums to zero, and the balances with it."""
    posted = stored.dice.choice(stored["transactions"])
    one, two = stored.dice.sample(stored.legs(posted["id"]), 2)
    by = delta(stored)
    made = []
    for entry, more in ((one, by), (two, -by)):
        made.append(update("entries", entry, amount=entry["amount"] + more))
        made.append(_moved(entry, more))
    return made


def _moved(entry: Row, amount: int) -> Statement:
    return Statement(
        "update balances set posted = posted + %s"
        " where book_id = %s and account_id = %s and slot = %s",
        [amount, entry["book_id"], entry["account_id"], entry["slot"]],
    )


def entry_added(stored: Stored) -> list[Statement]:
    """A copy of an entry, as the next one of its chain."""
    entry = stored.dice.choice(stored["entries"])
    top = stored.chain(entry)[-1]
    number = {"version": top["version"] + 1, "leg": 100, "booked_at": top["booked_at"]}
    return [insert("entries", {**entry, **number})]


def whole_deleted(stored: Stored) -> list[Statement]:
    """A transaction with its entries."""
    posted = stored.dice.choice(stored["transactions"])
    legs = [delete("entries", entry) for entry in stored.legs(posted["id"])]
    return [*legs, delete("transactions", posted)]


def chain_cut(stored: Stored) -> list[Statement]:
    """The last entries of one chain."""
    chain = stored.dice.choice(_chains(stored))
    keep = stored.dice.randrange(len(chain))
    return [delete("entries", entry) for entry in chain[keep:]]


def chain_cut_and_counted(stored: Stored) -> list[Statement]:
    """The last entries of one chain, and its balance with them, but for the hash."""
    chain = stored.dice.choice(_chains(stored))
    keep = stored.dice.randrange(len(chain))
    last = chain[keep - 1] if keep else None
    balance = _balance(stored, chain[0])
    return [
        *(delete("entries", entry) for entry in chain[keep:]),
        update(
            "balances",
            balance,
            posted=last["balance_after"] if last else 0,
            version=keep,
            booked_at=last["booked_at"] if last else "-infinity",
        ),
    ]


def tail_forged(stored: Stored) -> list[Statement]:
    """The last transactions, and every trace of them: balances, hashes, shifts of value dates."""
    recent = stored.tables["transactions"][-12:]
    gone = {t["id"] for t in recent[-stored.dice.randint(1, len(recent)) :]}
    made = [delete("transactions", t) for t in recent if t["id"] in gone]
    for chain in _chains(stored):
        kept = [entry for entry in chain if entry["transaction_id"] not in gone]
        if len(kept) == len(chain):
            continue
        made += [delete("entries", entry) for entry in chain[len(kept) :]]
        last = kept[-1] if kept else None
        end = {"posted": last["balance_after"], "version": last["version"]} if last else {}
        head = {"booked_at": last["booked_at"], "hash": last["hash"]} if last else {}
        empty = {"posted": 0, "version": 0, "booked_at": "-infinity", "hash": bytes(32)}
        made.append(update("balances", _balance(stored, chain[0]), **(end | head or empty)))
        for entry in chain[len(kept) :]:
            made += _shifts(entry, -1)
    return made


def amount_forged(stored: Stored) -> list[Statement]:
    """A transaction of another amount, all that follows hashed anew, and the balances with it."""
    posted = stored.dice.choice(stored["transactions"])
    one, two = stored.dice.sample(stored.legs(posted["id"]), 2)
    by = delta(stored)
    made = []
    for entry, more in ((one, by), (two, -by)):
        made += _rewritten(stored, entry, {"amount": entry["amount"] + more})
        if entry["dated"]:
            made += _shifts({**entry, "amount": more}, 1)
    return made


def date_forged(stored: Stored) -> list[Statement]:
    """A transaction of another value date, all that follows hashed anew, and the shifts with it."""
    dated = [t for t in stored["transactions"] if all(e["dated"] for e in stored.legs(t["id"]))]
    posted = stored.dice.choice(dated)
    on = FIRST + timedelta(days=stored.dice.randrange(3_000))
    made = [update("transactions", posted, effective_on=on)]
    for entry in stored.legs(posted["id"]):
        made += _rewritten(stored, entry, {"dated": on})
        made += _shifts(entry, -1) + _shifts({**entry, "dated": on}, 1)
    return made


def _rewritten(stored: Stored, entry: Row, new: Row) -> list[Statement]:
    """An entry that is another, and its chain as it would have become: sums, hashes, balance."""
    chain = stored.chain(entry)
    at = entry["version"] - 1
    before = chain[at - 1] if at else None
    balance = before["balance_after"] if before else 0
    previous = before["hash"] if before else bytes(32)
    made = []
    for number, old in enumerate(chain[at:]):
        link = {**old, **new} if number == 0 else dict(old)
        balance += link["amount"]
        link["balance_after"], link["effective_on"] = balance, effective(link)
        previous = entry_hash(previous, link)
        fields = {"amount": link["amount"], "dated": link["dated"]}
        made.append(update("entries", old, balance_after=balance, hash=previous, **fields))
    made.append(update("balances", _balance(stored, entry), posted=balance, hash=previous))
    return made


def _shifts(entry: Row, sign: int) -> list[Statement]:
    """What a value date of its own adds to the sums by day and month, or takes from them."""
    if not entry["dated"]:
        return []
    made = []
    for day, amount in ((entry["dated"], 1), (entry["booked_at"].date(), -1)):
        for grain, starts_on in (("day", day), ("month", day.replace(day=1))):
            key = {name: entry[name] for name in ("book_id", "account_id", "slot")}
            row = {**key, "grain": grain, "starts_on": starts_on}
            added = insert("value_shifts", {**row, "amount": sign * amount * entry["amount"]})
            clash = " on conflict on constraint value_shifts_pkey do update set"
            made.append(
                Statement(
                    f"{added.text}{clash} amount = value_shifts.amount + excluded.amount",
                    added.values,
                )
            )
    return made


def _chains(stored: Stored) -> list[list[Row]]:
    chains: dict[tuple[Any, int], list[Row]] = {}
    for entry in stored["entries"]:
        chains.setdefault((entry["account_id"], entry["slot"]), []).append(entry)
    return list(chains.values())


def _balance(stored: Stored, entry: Row) -> Row:
    end = entry["account_id"], entry["slot"]
    return next(b for b in stored["balances"] if (b["account_id"], b["slot"]) == end)


def is_pending(row: Row) -> bool:
    return bool(row["state"] == "pending")


def is_captured(row: Row) -> bool:
    return bool(row["captured"] > 0)


def is_reversal(row: Row) -> bool:
    return bool(row["kind"] == "reversal")


def has_money(row: Row) -> bool:
    return bool(row["posted"] != 0)


def has_amount(row: Row) -> bool:
    return bool(row["amount"] != 0)


def has_entries(row: Row) -> bool:
    return bool(row["version"] > 0)


def of_other_account(stored: Stored, row: Row, column: str = "account_id") -> Any:
    """The id of another account than the column names."""
    return another(stored, [a["id"] for a in stored["accounts"]], row[column])


def of_other_currency(stored: Stored, row: Row) -> str:
    return str(another(stored, ("EUR", "JPY", "USD"), row["currency"]))


KINDS: dict[str, Kind] = {
    "entry: a bit of its hash": changed("entries", "hash", lambda s, e: flipped(s, e["hash"])),
    "entry: the hash of another": changed(
        "entries", "hash", lambda s, e: another(s, [o["hash"] for o in s["entries"]], e["hash"])
    ),
    "entry: amount": changed("entries", "amount", lambda s, e: e["amount"] + delta(s)),
    "entry: sign": changed("entries", "amount", lambda _, e: -e["amount"]),
    "entry: running balance": changed(
        "entries", "balance_after", lambda s, e: e["balance_after"] + delta(s)
    ),
    "entry: moment": changed("entries", "booked_at", lambda s, e: e["booked_at"] + shift(s)),
    "entry: value date": changed(
        "entries", "dated", lambda s, e: effective(e) + timedelta(days=delta(s))
    ),
    "entry: a value date that goes without saying": where(
        "entries", lambda e: not e["dated"], lambda _, e: {"dated": e["booked_at"].date()}
    ),
    "entry: currency": changed("entries", "currency", of_other_currency),
    "entry: account": changed("entries", "account_id", of_other_account),
    "entry: slot": changed("entries", "slot", lambda s, e: e["slot"] + s.dice.randint(1, 9)),
    "entry: number, a gap": changed(
        "entries", "version", lambda s, e: e["version"] + s.dice.randint(1, 99)
    ),
    "entry: transaction": where(
        "entries",
        lambda _: True,
        lambda s, e: {
            "leg": 99,
            "transaction_id": another(s, [t["id"] for t in s["transactions"]], e["transaction_id"]),
        },
    ),
    "entry: leg": changed("entries", "leg", lambda s, _: s.dice.randint(50, 99)),
    "entry: book": changed("entries", "book_id", lambda s, _: s.other),
    "entry: deleted": removed("entries"),
    "entry: one more": entry_added,
    "entries: two change places": numbered_otherwise,
    "entries: two change amounts": contents_swapped,
    "entries: both legs, with the balances": both_legs,
    "chain: tail cut": chain_cut,
    "chain: tail cut, balance counted back": chain_cut_and_counted,
    "transaction: deleted": removed("transactions"),
    "transaction: deleted with its entries": whole_deleted,
    "transaction: value date": changed(
        "transactions", "effective_on", lambda s, t: t["effective_on"] + timedelta(days=delta(s))
    ),
    "transaction: made a reversal": where(
        "transactions", lambda t: not is_reversal(t), lambda *_: {"kind": "reversal"}
    ),
    "transaction: made a capture": where(
        "transactions", lambda t: t["kind"] != "capture", lambda *_: {"kind": "capture"}
    ),
    "transaction: no longer a capture": where(
        "transactions", lambda t: t["kind"] == "capture", lambda *_: {"kind": "transfer"}
    ),
    "reversal: of nothing": where("transactions", is_reversal, lambda *_: {"reverses_id": None}),
    "reversal: of what is not there": where(
        "transactions", is_reversal, lambda *_: {"reverses_id": NOWHERE}
    ),
    "transaction: key without hash": where(
        "transactions", lambda t: t["idempotency_key"], lambda *_: {"request_hash": None}
    ),
    "balance: posted": changed("balances", "posted", lambda s, b: b["posted"] + delta(s)),
    "balance: held": changed("balances", "held", lambda s, b: b["held"] + delta(s)),
    "balance: number": changed("balances", "version", lambda s, b: b["version"] + delta(s)),
    "balance: moment": where(
        "balances", has_entries, lambda s, b: {"booked_at": b["booked_at"] + shift(s)}
    ),
    "balance: a bit of its hash": changed("balances", "hash", lambda s, b: flipped(s, b["hash"])),
    "balance: currency": changed("balances", "currency", of_other_currency),
    "balance: slots": changed("balances", "slots", lambda s, b: b["slots"] + s.dice.randint(1, 9)),
    "balance: closed with money": where("balances", has_money, lambda *_: {"status": "closed"}),
    "balance: floor above it": changed(
        "balances", "min_balance", lambda s, b: b["posted"] - b["held"] + s.dice.randint(1, 9)
    ),
    "balance: ceiling below it": changed(
        "balances", "max_balance", lambda s, b: b["posted"] - s.dice.randint(1, 9)
    ),
    "balance: deleted": removed("balances"),
    "account: currency": changed("accounts", "currency", of_other_currency),
    "account: deleted": removed("accounts"),
    "hold: amount": where(
        "holds", is_pending, lambda s, h: {"amount": h["amount"] + s.dice.randint(1, 9)}
    ),
    "hold: giver": where("holds", is_pending, lambda s, h: {"account_id": of_other_account(s, h)}),
    "hold: captured": where(
        "holds",
        lambda h: h["captured"] > 1,
        lambda s, h: {
            "captured": h["captured"] - 1,
            "released": h["released"] + (h["state"] != "pending"),
        },
    ),
    "hold: receiver": where(
        "holds",
        is_captured,
        lambda s, h: {"to_account_id": of_other_account(s, h, "to_account_id")},
    ),
    "hold: released behind the balance's back": where(
        "holds",
        is_pending,
        lambda _, h: {"state": "released", "released": h["amount"] - h["captured"]},
    ),
    "hold: deleted": removed("holds", lambda h: is_pending(h) or is_captured(h)),
    "value dates: a sum": changed("value_shifts", "amount", lambda s, v: v["amount"] + delta(s)),
    "value dates: a day": where(
        "value_shifts",
        has_amount,
        lambda s, _: {"starts_on": FIRST + timedelta(days=s.dice.randrange(3_000))},
    ),
    "value dates: deleted": removed("value_shifts", has_amount),
    "group: floor above its sum": changed("account_groups", "min_total", lambda *_: 10**9),
    "rule: groups out of force": changed("books", "has_groups", lambda *_: False),
    "rule: periods out of force": changed("books", "has_periods", lambda *_: False),
    "rule: a holder who is no member": removed("book_members", lambda m: m["role"] == "holder"),
    "forged: the last transactions never were": tail_forged,
    "forged: another amount, hashed anew": amount_forged,
    "forged: another value date, hashed anew": date_forged,
}
"""The last three are consistent in themselves: only a checkpoint that was kept elsewhere tells."""
