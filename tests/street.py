"""Three books with rows and people who know some of them."""

from __future__ import annotations

import uuid

from tests.conftest import Database
from tests.world import Row, Session, World


class Street(World):
    """Three books with rows. alice owns a; bob edits a and owns b; carol views a and owns c;
    dave views b; mallory has none."""

    books: dict[str, str]
    accounts: dict[str, list[str]]

    @classmethod
    def make(cls, database: Database) -> Street:
        street = cls(database)
        street.user("mallory")
        street.books, street.accounts = {}, {}
        for book, owner, others in (
            ("a", "alice", {"bob": "editor", "carol": "viewer"}),
            ("b", "bob", {"dave": "viewer"}),
            ("c", "carol", {}),
        ):
            who = street.as_user(owner)
            book_id = who.call("create_book", name=book, base_currency="EUR")["id"]
            street.books[book] = book_id
            street.accounts[book] = [
                who.call("open_account", book_id=book_id, name=n, type="equity", currency="EUR")[
                    "id"
                ]
                for n in ("one", "two")
            ]
            for name, role in others.items():
                who.call("set_member", book_id=book_id, user_id=street.user(name), role=role)
            one, two = street.accounts[book]
            who.call(
                "transfer",
                book_id=book_id,
                from_account_id=one,
                to_account_id=two,
                amount=5,
                idempotency_key="k",
            )
        return street

    def callers(self) -> dict[str, tuple[Session, set[str]]]:
        """Each caller with the books that she may see."""
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
        one, two = self.accounts[book]
        account, user = {"account_id": one}, {"user_id": self.users[member]}
        day = "2026-01-01"
        calls: dict[str, Row] = {
            "account_register": account,
            "find_transaction": {"idempotency_key": "k"},
            "freeze_account": account,
            "get_balance": account,
            "get_balances": {},
            "open_account": {"name": "n", "type": "asset", "currency": "EUR"},
            "remove_member": user,
            "set_balance_limits": {**account, "min_balance": None, "max_balance": None},
            "set_member": {**user, "role": "viewer"},
            "statement": {**account, "from_date": day, "to_date": day},
            "transfer": {"from_account_id": one, "to_account_id": two, "amount": 1},
            "unfreeze_account": account,
            "update_account": {**account, "name": "n"},
            "update_book": {"name": "n"},
            "verify_book": {},
        }
        return {name: {"book_id": self.books[book], **more} for name, more in calls.items()}
