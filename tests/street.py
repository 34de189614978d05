"""Three books with rows and people who know some of them."""

from __future__ import annotations

import uuid
from functools import partial

from tests.callers import answer
from tests.conftest import Database
from tests.world import Row, Session, World

PERIOD = ("2020-01-01", "2020-01-31")


class Street(World):
    """Three books with rows of every kind. alice owns a; bob edits a and owns b; carol views a and
    owns c; dave views b; heidi holds an account of each; mallory has none."""

    books: dict[str, str]
    accounts: dict[str, list[str]]
    things: dict[str, Row]

    @classmethod
    def make(cls, database: Database) -> Street:
        street = cls(database)
        street.user("mallory")
        street.books, street.accounts, street.things = {}, {}, {}
        for book, owner, others in (
            ("a", "alice", {"bob": "editor", "carol": "viewer"}),
            ("b", "bob", {"dave": "viewer"}),
            ("c", "carol", {}),
        ):
            who = street.as_user(owner)
            book_id = who.call("create_book", name=book, base_currency="EUR")["id"]
            street.books[book] = book_id
            street.accounts[book] = [
                who.call("open_account", book_id=book_id, name=n, type="equity", currency=c)["id"]
                for n, c in (("one", "EUR"), ("two", "EUR"), ("abroad", "JPY"))
            ]
            for name, role in others.items():
                who.call("set_member", book_id=book_id, user_id=street.user(name), role=role)
            street.things[book] = street._fill(book, who)
        return street

    def _fill(self, book: str, who: Session) -> Row:
        """Rows of every kind; the ids of what other calls name."""
        named = {"book_id": self.books[book]}
        one, two, _ = self.accounts[book]
        receipt = who.call(
            "transfer",
            **named,
            from_account_id=one,
            to_account_id=two,
            amount=5,
            idempotency_key="k",
            effective_on="2026-01-01",
        )
        held = who.call("create_hold", **named, account_id=one, to_account_id=two, amount=1)
        joint = who.call(
            "set_account_group", **named, name="joint", account_ids=[one], min_total=-1000
        )
        who.call("lock_period", **named, from_date=PERIOD[0], to_date=PERIOD[1])
        who.call("set_holder", **named, account_id=two, user_id=self.user("heidi"), access="view")
        return {
            "transaction_id": receipt["transaction_id"],
            "hold_id": held["id"],
            "group_id": joint["id"],
        }

    def told(self, who: Session, function: str, arguments: Row, begin: str = "begin") -> str:
        """What a call is answered, in a transaction that is rolled back.

        Args:
            begin: How that begins; `begin` alone: at the level that the function declares.
        """
        if begin == "begin" and function == "transfer_serializable":
            begin = "begin isolation level serializable"
        who.query(begin)
        code = answer(partial(who.rows, function, **arguments))
        who.query("rollback")
        return code

    def callers(self) -> dict[str, tuple[Session, set[str]]]:
        """Each caller with the books that she may see whole."""
        nobody = self.as_role("authenticated", {"role": "authenticated"})
        ghost = {"role": "authenticated", "sub": str(uuid.UUID(int=1))}
        return {
            "alice": (self.as_user("alice"), {"a"}),
            "bob": (self.as_user("bob"), {"a", "b"}),
            "carol": (self.as_user("carol"), {"a", "c"}),
            "dave": (self.as_user("dave"), {"b"}),
            "mallory": (self.as_user("mallory"), set()),
            "ghost": (self.as_role("authenticated", ghost), set()),
            "no sub": (nobody, set()),
            "service_role": (self.as_role("service_role"), {"a", "b", "c"}),
            "postgres": (self.owner(), {"a", "b", "c"}),
        }

    def calls(self, book: str, *, member: str = "bob") -> dict[str, Row]:
        """Arguments for each function that takes a book."""
        one, two, abroad = self.accounts[book]
        account, user = {"account_id": one}, {"user_id": self.users[member]}
        sides = {"from_account_id": one, "to_account_id": two}
        lines = [{"account_id": one, "amount": -1}, {"account_id": two, "amount": 1}]
        heidi = {"account_id": two, "user_id": self.users["heidi"]}
        hold, group, transaction = (
            {name: self.things[book][name]} for name in ("hold_id", "group_id", "transaction_id")
        )
        period = dict(zip(("from_date", "to_date"), PERIOD, strict=True))
        calls: dict[str, Row] = {
            "account_register": account,
            "capture_hold": hold,
            "changes_since": {},
            "close_account": {"account_id": two, "sweep_to": one},
            "create_hold": {**account, "to_account_id": two, "amount": 1},
            "exchange": {**sides, "to_account_id": abroad, "sell_amount": 1, "buy_amount": 1},
            "expire_holds": {},
            "export_checkpoint": {},
            "find_transaction": {"idempotency_key": "k"},
            "freeze_account": account,
            "get_balance": account,
            "get_balances": {},
            "lock_period": period,
            "open_account": {"name": "n", "type": "asset", "currency": "EUR"},
            "post_transaction": {"entries": lines},
            "post_transactions": {"transactions": [{"entries": lines}]},
            "release_hold": hold,
            "remove_account_group": group,
            "remove_holder": heidi,
            "remove_member": user,
            "reverse_transaction": transaction,
            "set_account_group": {**group, "name": "n", "account_ids": [one], "min_total": -1000},
            "set_balance_limits": {**account, "min_balance": None, "max_balance": None},
            "set_holder": {**heidi, "access": "spend"},
            "set_member": {**user, "role": "viewer"},
            "statement": {**account, **period},
            "transfer": {**sides, "amount": 1},
            "transfer_serializable": {**sides, "amount": 1},
            "transfer_up_to": {**sides, "amount": 1},
            "trial_balance": {},
            "unfreeze_account": account,
            "unlock_period": period,
            "update_account": {**account, "name": "n"},
            "update_book": {"name": "n"},
            "verify_book": {},
        }
        return {name: {"book_id": self.books[book], **more} for name, more in calls.items()}
