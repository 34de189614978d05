"""Who may do what: grants as an explicit table, and which rows row level security shows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.callers import answer
from tests.conftest import ROOT, Cluster, Database
from tests.integration.test_catalogue import READING, WRITING
from tests.street import Street
from tests.world import TABLES, Row, Session, World, household
from tillroll.migrate import Runner

ROLES = ("public", "anon", "authenticated", "service_role")
API = {"authenticated", "service_role"}
EXPOSED = READING | WRITING
# What `ledger` calls with the caller's rights.
ENGINE = {
    *("balances_at", "balances_of", "capture_hold", "check_argument", "check_book_reader"),
    *("check_book_visible", "check_moment", "check_range", "checkpoint_of", "close_account"),
    *("create_book", "create_hold", "exchange", "expire_holds", "feed_page", "find_account"),
    *("is_holder", "lock_period", "merged_page", "merkle_root", "open_account", "post_items"),
    *("post_serializable", "post_transfer", "raise_error", "read_cursor", "read_feed_cursor"),
    *("receipt_of", "register_page", "release_hold", "remove_account_group", "remove_holder"),
    *("remove_member", "reverse_transaction", "set_account_group", "set_account_status"),
    *("set_balance_limits", "set_holder", "set_member", "statement_of", "unlock_period"),
    *("update_account", "update_book", "verify_book"),
}
# What policies ask, and those are for authenticated alone.
POLICY = {"my_accounts", "my_books", "my_memberships", "touches_my_accounts"}
# Whatever is not in these tables is for nobody.
EXECUTE: dict[str, set[str]] = {
    **{f"ledger.{name}": API for name in EXPOSED},
    **{f"ledger_private.{name}": API for name in ENGINE},
    **{f"ledger_private.{name}": {"authenticated"} for name in POLICY},
}
VIEWS = (
    *("accounts", "books", "currencies", "entries", "groups", "holders", "holds", "members"),
    *("periods", "transactions"),
)
STORED = (*TABLES, "currencies")
HELPERS = ("register", "receipt_lines")
SELECT: dict[str, set[str]] = {
    **{f"ledger.{name}": API for name in VIEWS},
    **{f"ledger_private.{name}": API for name in (*STORED, *HELPERS)},
}

OLD_DEFAULT_GRANTS = [
    f"alter default privileges for role postgres grant all on {kind} to {to}"
    for kind in ("tables", "functions", "sequences", "schemas", "types")
    for to in ("anon", "authenticated", "service_role", "public")
]


@pytest.fixture(params=["plain", "old default grants"])
def granted(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Session]:
    """The owner of the schema, in a project of today or of before 2026-10-30."""
    if request.param == "plain":
        database = cluster.database("ledger")
    else:
        database = cluster.database("bare")
        with database.connect() as owner:
            for statement in OLD_DEFAULT_GRANTS:
                owner.execute(statement)
        Runner(database.dsn(), ROOT / "supabase/migrations").up()
    world = World(database)
    yield world.owner()
    world.close()
    cluster.drop(database)


def _held(owner: Session, objects: str, check: str) -> dict[str, set[str]]:
    """The roles for which a check of privileges holds, by name of the object, where there are."""
    rows = owner.query(
        f"""
        select o.name, coalesce(array_agg(r.role) filter (where {check}), array[]::text[]) as roles
        from ({objects}) as o (name, oid), unnest(%s::text[]) as r (role) group by 1
        """,
        [list(ROLES)],
    )
    return {row["name"]: set(row["roles"]) for row in rows if row["roles"]}


FUNCTIONS = """
select pronamespace::regnamespace || '.' || proname, oid from pg_proc
where pronamespace in ('ledger'::regnamespace, 'ledger_private'::regnamespace)
"""
RELATIONS = """
select relnamespace::regnamespace || '.' || relname, oid from pg_class
where relnamespace in ('ledger'::regnamespace, 'ledger_private'::regnamespace)
    and relkind not in ('i', 'c', 't')
"""
SCHEMAS = "select nspname, oid from pg_namespace where nspname in ('ledger', 'ledger_private')"


def test_each_role_holds_exactly_these_privileges(granted: Session) -> None:
    assert _held(granted, FUNCTIONS, "has_function_privilege(r.role, o.oid, 'execute')") == EXECUTE
    assert _held(granted, RELATIONS, "has_table_privilege(r.role, o.oid, 'select')") == SELECT
    verbs = ["insert", "update", "delete", "truncate", "references", "trigger"]
    if granted.connection.info.server_version >= 170000:
        verbs.append("maintain")
    for verb in verbs:
        check = f"has_table_privilege(r.role, o.oid, '{verb}')"
        assert (verb, _held(granted, RELATIONS, check)) == (verb, {})
    for verb in ("insert", "update", "references"):
        check = f"has_any_column_privilege(r.role, o.oid, '{verb}')"
        assert (verb, _held(granted, RELATIONS, check)) == (verb, {})

    both = {"ledger", "ledger_private"}
    usage = _held(granted, SCHEMAS, "has_schema_privilege(r.role, o.oid, 'usage')")
    assert usage == dict.fromkeys(both, API)
    create = _held(granted, SCHEMAS, "has_schema_privilege(r.role, o.oid, 'create')")
    assert create == {}


def test_callers_may_run_of_the_engine_what_the_api_reaches_and_no_more(newest: Cluster) -> None:
    """With their own rights: behind a function that runs as the owner they need none."""
    database = newest.database("ledger")
    with database.connect() as owner:
        rows = owner.execute(
            f"select f.name, p.prosecdef, p.prosrc from ({FUNCTIONS}) as f (name, oid)"
            " join pg_proc as p using (oid)"
        ).fetchall()
    newest.drop(database)
    definer = {name for name, as_owner, _ in rows if as_owner}
    calls = {name: set(re.findall(r"\bledger_private\.\w+(?=\()", body)) for name, _, body in rows}
    reached, new = set[str](), {f"ledger.{name}" for name in EXPOSED}
    while new:
        reached |= new
        new = {call for name in new - definer for call in calls[name] & calls.keys()} - reached
    granted = {name for name, roles in EXECUTE.items() if roles == API}
    assert reached - {f"ledger_private.{name}" for name in POLICY} == granted


@pytest.fixture
def street(db: Database) -> Iterator[Street]:
    made = Street.make(db)
    yield made
    made.close()


RELATION_BOOKS = {
    **{f"ledger.{name}": "id" if name == "books" else "book_id" for name in VIEWS},
    **{
        f"ledger_private.{name}": "id" if name == "books" else "book_id"
        for name in (*STORED, *HELPERS)
    },
}


def test_each_caller_sees_the_rows_of_her_books_and_no_others(street: Street) -> None:
    owner = street.owner()
    anon = street.as_role("anon", {"role": "anon"})
    callers = street.callers()
    for relation, column in RELATION_BOOKS.items():
        if relation.endswith("currencies"):
            column = "'all'"
        read = f"select {column}::text as book_id, r::text as row from {relation} as r"
        everything = owner.query(read)
        assert {row["book_id"] for row in everything} in ({"all"}, {*street.books.values()})
        for name, (who, books) in callers.items():
            visible = {"all", *(street.books[book] for book in books)}
            expected = {row["row"] for row in everything if row["book_id"] in visible}
            seen = who.query(read)
            assert (relation, name, {row["row"] for row in seen}) == (relation, name, expected)
            assert len(seen) == len(expected)
        assert (relation, answer(partial(anon.query, read))) == (relation, "42501")
    for who in (anon, street.as_user("alice"), street.as_role("service_role")):
        read = "select * from ledger_private.error_catalogue"
        assert answer(partial(who.query, read)) == "42501"


def test_a_filter_on_a_foreign_book_does_not_open_it(street: Street) -> None:
    alice = street.as_user("alice")
    for relation, column in RELATION_BOOKS.items():
        if not relation.endswith("currencies"):
            read = f"select 1 as one from {relation} where {column} = %s"
            assert alice.query(read, [street.books["b"]]) == []
            assert alice.query(read, [street.books["a"]]) != []


def test_nobody_writes_past_the_functions(street: Street) -> None:
    sessions = {
        **{name: who for name, (who, _) in street.callers().items() if name != "postgres"},
        "anon": street.as_role("anon", {"role": "anon"}),
    }
    told = {}
    for relation, column in {**RELATION_BOOKS, "ledger_private.error_catalogue": "code"}.items():
        column = "code" if relation.endswith("currencies") else column
        statements = {
            "insert": f"insert into {relation} select * from {relation}",
            "update": f"update {relation} set {column} = {column} where {column} is not null",
            "delete": f"delete from {relation} where {column} is not null",
            "truncate": f"truncate {relation}",
            "lock": f"select 1 as one from {relation} for update",
        }
        for verb, statement in statements.items():
            for name, session in sessions.items():
                told[relation, verb, name] = answer(partial(session.query, statement))
    # A view that joins is refused even before its grants are looked at, and no view is truncated.
    joined = {"ledger.accounts", *(f"ledger_private.{name}" for name in HELPERS)}
    computed = {"ledger.entries", "ledger.groups", "ledger.holds"}
    views = {*joined, *(f"ledger.{name}" for name in VIEWS)}
    surprising = {
        (relation, verb, name): code
        for (relation, verb, name), code in told.items()
        if code != "42501"
        and not (relation in joined and verb in ("insert", "update", "delete") and code == "55000")
        and not (relation in views and verb == "truncate" and code == "42809")
        # Some columns are computed: none that anybody could write.
        and not (relation in computed and verb == "insert" and code == "0A000")
    }
    assert surprising == {}


def test_every_function_hides_a_foreign_book(street: Street) -> None:
    assert set(street.calls("b")) == EXPOSED - {"create_book"}
    callers = street.callers()
    for name in ("alice", "mallory", "ghost"):
        who, _ = callers[name]
        for function, arguments in street.calls("b").items():
            told = street.told(who, function, arguments)
            assert (name, function, told) == (name, function, "book_not_found")
            missing = {**arguments, "book_id": uuid.uuid4()}
            assert street.told(who, function, missing) == "book_not_found"


def _mixed(own: Row, foreign: Row) -> Iterator[tuple[Row, str]]:
    """The arguments with one id of another book, and the code that is due."""
    kinds = {"hold": "hold_not_found", "transaction": "transaction_not_found"}
    for name in own.keys() - {"book_id", "user_id", "group_id"}:
        account = name == "sweep_to" or name.endswith("account_id") or name == "account_ids"
        if account or name in ("entries", "transactions"):
            yield {**own, name: foreign[name]}, "account_not_found"
        elif name.endswith("_id"):
            yield {**own, name: foreign[name]}, kinds[name.removesuffix("_id")]


def test_what_is_in_a_foreign_book_does_not_exist_in_ones_own(street: Street) -> None:
    bob = street.as_user("bob")
    own, foreign = street.calls("b"), street.calls("c")
    told = [
        (function, arguments, due, street.told(bob, function, arguments))
        for function in own
        for arguments, due in _mixed(own[function], foreign[function])
    ]
    assert [each for each in told if each[2] != each[3]] == []
    assert len(told) == 27
    stolen = {**own["remove_account_group"], "group_id": street.things["c"]["group_id"]}
    assert street.told(bob, "remove_account_group", stolen) == "group_not_found"


def test_a_group_id_of_another_book_names_a_group_of_ones_own(street: Street) -> None:
    """Ids are the caller's to choose; the group of the other book stays as it was."""
    bob, owner = street.as_user("bob"), street.owner()
    read = "select g::text from ledger.groups as g where book_id = %s"
    before = owner.query(read, [street.books["c"]])
    arguments = {**street.calls("b")["set_account_group"], **{"min_total": -7}}
    arguments["group_id"] = street.things["c"]["group_id"]
    made = bob.call("set_account_group", **arguments)
    assert (made["id"], made["book_id"]) == (arguments["group_id"], street.books["b"])
    assert owner.query(read, [street.books["c"]]) == before


def test_anon_and_a_token_without_sub_can_do_nothing(street: Street) -> None:
    anon = street.as_role("anon", {"role": "anon"})
    claimed = street.as_role("anon", {"role": "authenticated", "sub": street.users["alice"]})
    nobody = street.as_role("authenticated", {"role": "service_role"})
    create: dict[str, Any] = {"create_book": {"name": "n", "base_currency": "EUR"}}
    for function, arguments in {**street.calls("a"), **create}.items():
        for who in (anon, claimed):
            assert street.told(who, function, arguments) == "42501"
        assert street.told(nobody, function, arguments) in ("forbidden", "book_not_found")


def test_claims_do_not_lift_a_role(street: Street) -> None:
    """The database role decides; what a token says of its own role does not."""
    sly = street.as_role(
        "authenticated",
        {"role": "service_role", "sub": street.users["mallory"], "is_superuser": True},
    )
    for function, arguments in street.calls("a").items():
        assert street.told(sly, function, arguments) == "book_not_found"


def test_service_role_and_the_owner_of_the_schema_reach_every_book(street: Street) -> None:
    for who in (street.as_role("service_role"), street.owner()):
        for book in street.books:
            for function, arguments in street.calls(book).items():
                told = street.told(who, function, arguments)
                lost = book == "b" and function in ("remove_member", "set_member")
                missing = book == "c" and function == "remove_member"
                due = "last_owner" if lost else "member_not_found" if missing else "none"
                assert (book, function, told) == (book, function, due)


def test_what_reads_runs_read_only_and_what_writes_runs_at_any_level(street: Street) -> None:
    """PostgREST calls by GET, and what is STABLE by POST too, in a read-only transaction."""
    bob = street.as_user("bob")
    levels = ("repeatable read", "serializable")
    modes = ("begin read only", *(f"begin isolation level {level}" for level in levels))
    for function, arguments in street.calls("b", member="dave").items():
        for mode in modes:
            due = "none" if function in READING or mode != "begin read only" else "25006"
            if function == "transfer_serializable" and "serializable" not in mode:
                due = "wrong_isolation"
            told = street.told(bob, function, arguments, mode)
            assert (function, mode, told) == (function, mode, due)


@pytest.mark.parametrize("name", ["uuid", "text", "bytea", "jsonb", "int8"])
def test_a_temporary_type_of_hers_never_runs_as_the_owner(db: Database, name: str) -> None:
    """pg_temp comes before an empty search_path, for types: she would run code as the owner."""
    with household(db) as home:
        home.fund(100)
        mallory = home.as_user("mallory")
        mallory.query(
            f"""
            create function pg_temp.note(v pg_catalog.{name}) returns pg_catalog.bool
            language plpgsql as $$ begin
                if current_user <> 'authenticated' then
                    raise 'it ran as %', current_user;
                end if;
                return true;
            end $$
            """
        )
        mallory.query(
            f"create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.note(value))"
        )
        book = mallory.call("create_book", name="mine", base_currency="EUR")["id"]
        ids = [
            mallory.call("open_account", book_id=book, name=n, type="equity", currency="EUR")["id"]
            for n in "ab"
        ]
        mallory.call(
            "transfer",
            book_id=book,
            from_account_id=ids[0],
            to_account_id=ids[1],
            amount=1,
            idempotency_key="k",
            description="d",
            metadata={"a": 1},
        )
        assert all(row["ok"] for row in mallory.rows("verify_book", book_id=book))
