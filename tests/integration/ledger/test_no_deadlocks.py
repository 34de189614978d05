"""No two calls deadlock, whatever they are and in whatever order their arguments come."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

from tests.callers import answer
from tests.conftest import Cluster
from tests.draws import Draws, prepare, raises
from tests.world import Household, Session, household

SECONDS = 4.0
WRITING = """
select array_agg(p.proname::text) as names from pg_proc as p
where p.pronamespace = 'ledger'::regnamespace and p.provolatile = 'v'
"""
ELSEWHERE = {"create_book", "open_account"}


def test_any_functions_at_once_never_deadlock_and_say_only_what_they_document(
    newest: Cluster,
) -> None:
    database = newest.database("ledger")
    with household(database) as home:
        prepare(home)
        shared = Draws(home, Random(0))
        written = home.owner().query(WRITING)[0]["names"]
        assert set(shared.functions) == set(written) - ELSEWHERE

        until = time.monotonic() + SECONDS

        def work(seed: int) -> Counter[tuple[str, str]]:
            draws, told = Draws(home, Random(seed)), Counter[tuple[str, str]]()
            draws.holds, draws.posted = shared.holds, shared.posted
            who = home.as_user("dora" if seed == 7 else "bob" if seed == 6 else "alice")
            helper = home.as_user("alice")
            while time.monotonic() < until:
                function, call = draws.call(who)
                if function == "transfer_serializable":
                    who.query("set default_transaction_isolation = 'serializable'")
                code = answer(call)
                who.query("reset default_transaction_isolation")
                told[function, code] += 1
                if code == "account_frozen":
                    told.update(("unfreeze_account", each) for each in thaw(home, helper))
            return told

        with ThreadPoolExecutor(8) as pool:
            told = sum(pool.map(work, range(8)), Counter[tuple[str, str]]())
        at_commit = {("transfer_serializable", "40001")}
        strange = {
            (function, code)
            for function, code in told
            if code != "none" and code not in raises(function)
        }
        assert strange <= at_commit, strange
        done = {function for function, code in told if code == "none"}
        assert {"transfer", "post_transactions", "create_hold", "set_account_group"} <= done
        home.assert_sound()
    newest.drop(database)


def thaw(home: Household, who: Session) -> list[str]:
    """Unfreeze all accounts, or all would stand still; what each call is told."""
    return [
        answer(partial(who.call, "unfreeze_account", book_id=home.book_id, account_id=account_id))
        for account_id in home.accounts.values()
    ]
