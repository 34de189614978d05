"""Calls drawn by chance: any function that writes, with arguments that may fit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from random import Random

from tests.conftest import ROOT
from tests.world import Household, Row, Session

NAMES = ("bank", "cash", "world", "wide", "yen", "abroad")
DAYS = (None, None, "2026-01-15", "2026-02-15", "2030-01-01")


def prepare(home: Household) -> None:
    """Money, two currencies, an account of four slots, and dora, who may be anything."""
    alice = home.as_user("alice")
    for name, more in (("wide", {"currency": "EUR", "slots": 4}), ("abroad", {"currency": "JPY"})):
        home.accounts[name] = alice.call(
            "open_account", book_id=home.book_id, name=name, type="equity", **more
        )["id"]
    for name in ("bank", "cash"):
        home.fund(1000, name)
    home.pay(alice, "abroad", "yen", 100_000)
    home.user("dora")


def raises(function: str) -> set[str]:
    """The codes that the header of a function names."""
    text = (ROOT / f"functions/ledger/{function}.sql").read_text()
    header = text.split("-- Raises  ")[1].split("-- Tests")[0]
    return set(header.replace("--", "").replace(",", " ").split())


class Draws:
    """Calls over the accounts of one book; what they make is drawn again later."""

    def __init__(self, home: Household, chance: Random) -> None:
        self.home, self.chance = home, chance
        self.holds = [str(uuid.UUID(int=1))]
        self.posted = [str(uuid.UUID(int=2))]
        self.groups = [str(uuid.UUID(int=number)) for number in (3, 4)]
        self._makers: dict[str, Callable[[], Row]] = {
            **dict.fromkeys(("transfer", "transfer_up_to", "transfer_serializable"), self._sides),
            "post_transaction": self._item,
            "post_transactions": self._batch,
            "exchange": self._exchange,
            "reverse_transaction": self._reversal,
            "create_hold": self._hold,
            "capture_hold": self._capture,
            "release_hold": lambda: {"hold_id": chance.choice(self.holds)},
            "expire_holds": dict,
            "close_account": self._closing,
            "freeze_account": self._account,
            "unfreeze_account": self._account,
            "set_balance_limits": self._limits,
            "update_account": lambda: {**self._account(), "payable": chance.random() < 0.5},
            "set_account_group": self._group,
            "remove_account_group": lambda: {"group_id": chance.choice(self.groups)},
            "lock_period": self._period,
            "unlock_period": self._period,
            "set_member": lambda: {
                "user_id": home.users["dora"],
                "role": chance.choice(["editor", "viewer", "holder"]),
            },
            "remove_member": lambda: {"user_id": home.users["dora"]},
            "set_holder": lambda: {
                **self._account(),
                "user_id": home.users["dora"],
                "access": chance.choice(["view", "spend"]),
            },
            "remove_holder": lambda: {**self._account(), "user_id": home.users["dora"]},
            "update_book": lambda: {"name": chance.choice(["Household", "Home"])},
        }
        self.functions = tuple(self._makers)

    def call(self, who: Session) -> tuple[str, Callable[[], object]]:
        """A function, and the call of it that was drawn: postings twice as often."""
        function = self.chance.choice((*self.functions, *self.functions[:11]))
        arguments = {"book_id": self.home.book_id, **self._makers[function]()}
        return function, lambda: self._keep(function, who.rows(function, **arguments))

    def _keep(self, function: str, rows: list[Row] | list[int]) -> None:
        """Remember what was made."""
        for row in rows:
            if not isinstance(row, dict):
                continue
            receipt = row.get("receipt") or row
            if receipt.get("transaction_id"):
                self.posted.append(receipt["transaction_id"])
            if function == "create_hold":
                self.holds.append(row["id"])

    def _name(self) -> str:
        return self.chance.choice(NAMES)

    def _account(self) -> Row:
        return {"account_id": self.home.accounts[self._name()]}

    def _amount(self) -> int:
        return self.chance.choice((1, 2, 5, 90, 400))

    def _words(self) -> Row:
        chance = self.chance
        key = chance.choice((None, None, "a", "b", "c", "d"))
        return {"idempotency_key": key, "effective_on": chance.choice(DAYS)}

    def _post(self) -> Row:
        chance = self.chance
        expect = [{**self._account(), "available_gte": 1}] if chance.random() < 0.1 else None
        return {**self._words(), "expect": expect, "dry_run": chance.random() < 0.1}

    def _pair(self) -> list[str]:
        same = self.chance.choice((NAMES[:4], NAMES[4:]))
        return self.chance.sample(same, 2)

    def _sides(self) -> Row:
        giver, taker = self._pair()
        accounts = self.home.accounts
        return {
            "from_account_id": accounts[giver],
            "to_account_id": accounts[taker],
            "amount": self._amount(),
            **self._post(),
        }

    def _lines(self) -> list[Row]:
        giver, taker = self._pair()
        amount = self._amount()
        return self.home.lines(**{giver: -amount, taker: amount})

    def _item(self) -> Row:
        return {"entries": self._lines(), **self._post()}

    def _batch(self) -> Row:
        size = self.chance.randint(1, 6)
        items = [{"entries": self._lines(), **self._words()} for _ in range(size)]
        mode = self.chance.choice(("atomic", "per_item", "per_item"))
        return {"transactions": items, "mode": mode}

    def _exchange(self) -> Row:
        giver, taker = self.chance.choice(NAMES[:4]), self.chance.choice(NAMES[4:])
        if self.chance.random() < 0.5:
            giver, taker = taker, giver
        accounts = self.home.accounts
        return {
            "from_account_id": accounts[giver],
            "to_account_id": accounts[taker],
            "sell_amount": self._amount(),
            "buy_amount": self._amount(),
            **self._post(),
        }

    def _reversal(self) -> Row:
        amount = self.chance.choice((None, None, 1))
        posted = self.chance.choice(self.posted[-20:])
        return {"transaction_id": posted, "amount": amount, **self._post()}

    def _hold(self) -> Row:
        giver, taker = self._pair()
        accounts = self.home.accounts
        return {
            "account_id": accounts[giver],
            "to_account_id": accounts[taker],
            "amount": self._amount(),
        }

    def _capture(self) -> Row:
        held = self.chance.choice(self.holds[-20:])
        amount = self.chance.choice((None, 1))
        final = self.chance.random() < 0.5
        return {"hold_id": held, "amount": amount, "final": final, **self._post()}

    def _closing(self) -> Row:
        """Never the outside world: it always has something."""
        account = self.home.accounts[self.chance.choice(("wide", "yen"))]
        sweep_to = self.home.accounts[self._name()] if self.chance.random() < 0.1 else None
        return {"account_id": account, "sweep_to": sweep_to}

    def _limits(self) -> Row:
        low = self.chance.choice((None, -500, 0, 1))
        return {**self._account(), "min_balance": low, "max_balance": None}

    def _group(self) -> Row:
        names = self.chance.sample(("bank", "cash", "world"), self.chance.randint(1, 3))
        return {
            "name": "joint",
            "account_ids": [self.home.accounts[name] for name in names],
            "min_total": self.chance.choice((-1000, 0, 500)),
            "group_id": self.chance.choice(self.groups),
        }

    def _period(self) -> Row:
        month = self.chance.choice((1, 2))
        return {"from_date": f"2026-0{month}-01", "to_date": f"2026-0{month}-28"}
