"""The rules of the house as the catalog of a migrated database shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT, Cluster
from tests.world import Row, Session, World

SCHEMAS = "('ledger'::regnamespace, 'ledger_private'::regnamespace)"
PATH = "search_path=pg_catalog, pg_temp"
WRITING = {
    *("capture_hold", "close_account", "create_book", "create_hold", "exchange", "expire_holds"),
    *("freeze_account", "lock_period", "open_account", "post_transaction", "post_transactions"),
    *("release_hold", "remove_account_group", "remove_holder", "remove_member"),
    *("reverse_transaction", "set_account_group", "set_balance_limits", "set_holder"),
    *("set_member", "transfer", "transfer_serializable", "transfer_up_to", "unfreeze_account"),
    *("unlock_period", "update_account", "update_book"),
}
READING = {
    *("account_register", "changes_since", "export_checkpoint", "find_transaction", "get_balance"),
    *("get_balances", "statement", "trial_balance", "verify_book"),
}
# Of the engine: what reads one snapshot for the whole call; everything else is VOLATILE.
STABLE = {
    *("as_replay", "bad_argument", "balances_at", "balances_of", "caller", "check_account"),
    *("check_argument", "check_balances", "check_book_reader", "check_book_visible"),
    *("check_entries", "check_follow_ups", "check_limits", "check_moment", "check_posting"),
    *("check_range", "check_rules", "check_transactions", "checkpoint_of", "feed_page"),
    *("find_account", "find_hold", "holder_refusal", "is_holder", "lines_receipt", "mask_receipt"),
    *("merged_page", "my_accounts", "my_books", "my_memberships", "raise_error", "raise_row"),
    *("read_cursor", "read_feed_cursor", "receipt_of", "refuse_item", "register_page"),
    *("request_hash", "statement_of", "touches_my_accounts", "verify_book", "words"),
}
IMMUTABLE = {"conversion_account_id", "merkle_root"}
# And what it asks of the planner.
PLANNING = {
    "enable_seqscan=off": {
        *("available_up_to", "balances_of", "capture_hold", "check_expectations", "check_group"),
        *("check_groups", "claim_items", "claim_transaction", "close_account", "create_hold"),
        *("decide", "exchange", "expire_holds", "find_hold", "item_results", "lock_accounts"),
        *("lock_groups", "lock_hold", "post_items", "post_transfer", "preview_transfer"),
        *("refuse_transfer", "register_page", "release_hold", "replay", "replayed_results"),
        *("reverse_transaction", "shift_value", "write_lines"),
    },
    "jit=off": {
        "check_balances",
        "check_entries",
        "check_follow_ups",
        "check_rules",
        "check_transactions",
    },
    "enable_nestloop=off": {"check_entries", "check_transactions"},
    "enable_mergejoin=off": {"check_entries"},
    "work_mem=32MB": {"check_entries", "check_transactions"},
    "plan_cache_mode=force_generic_plan": {"register_page"},
}
EXPECT = (
    " expect ledger.expectation[] DEFAULT NULL::ledger.expectation[], dry_run boolean DEFAULT false"
)
POST = (
    " idempotency_key text DEFAULT NULL::text, effective_on date DEFAULT NULL::date,"
    " description text DEFAULT NULL::text, external_id text DEFAULT NULL::text,"
    f" metadata jsonb DEFAULT NULL::jsonb,{EXPECT} -> ledger.receipt"
)
SIDES = "book_id uuid, from_account_id uuid, to_account_id uuid,"
TRANSFER = f"{SIDES} amount bigint,{POST}"
MOMENT = (
    " as_of timestamp with time zone DEFAULT NULL::timestamp with time zone,"
    " effective_on date DEFAULT NULL::date"
)
SIGNATURES = {
    "account_register": "book_id uuid, account_id uuid, page_size integer DEFAULT 100,"
    " before text DEFAULT NULL::text -> SETOF ledger.register_line",
    "capture_hold": "book_id uuid, hold_id uuid, amount bigint DEFAULT NULL::bigint,"
    f" final boolean DEFAULT true,{POST}",
    "changes_since": "book_id uuid, after text DEFAULT NULL::text, page_size integer DEFAULT 100"
    " -> SETOF ledger.change",
    "close_account": "book_id uuid, account_id uuid, sweep_to uuid DEFAULT NULL::uuid"
    " -> ledger.accounts",
    "create_book": "name text, base_currency text, id uuid DEFAULT NULL::uuid -> ledger.books",
    "create_hold": "book_id uuid, account_id uuid, to_account_id uuid, amount bigint,"
    " expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone,"
    " description text DEFAULT NULL::text, metadata jsonb DEFAULT NULL::jsonb,"
    " id uuid DEFAULT NULL::uuid -> ledger.holds",
    "exchange": f"{SIDES} sell_amount bigint, buy_amount bigint,{POST}",
    "expire_holds": "book_id uuid -> integer",
    "export_checkpoint": "book_id uuid -> ledger.checkpoint",
    "find_transaction": "book_id uuid, idempotency_key text -> ledger.receipt",
    "freeze_account": "book_id uuid, account_id uuid -> ledger.accounts",
    "get_balance": f"book_id uuid, account_id uuid,{MOMENT} -> ledger.balance",
    "get_balances": "book_id uuid, account_ids uuid[] DEFAULT NULL::uuid[],"
    f"{MOMENT} -> SETOF ledger.balance",
    "lock_period": "book_id uuid, from_date date, to_date date -> ledger.periods",
    "open_account": "book_id uuid, name text, type text, currency text,"
    " code text DEFAULT NULL::text, min_balance bigint DEFAULT NULL::bigint,"
    " max_balance bigint DEFAULT NULL::bigint, payable boolean DEFAULT false,"
    " external_id text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb,"
    " id uuid DEFAULT NULL::uuid, slots integer DEFAULT 1 -> ledger.accounts",
    "post_transaction": f"book_id uuid, entries ledger.entry_input[],{POST}",
    "post_transactions": "book_id uuid, transactions ledger.transaction_input[],"
    f" mode text DEFAULT 'atomic'::text,{EXPECT} -> SETOF ledger.posting_result",
    "release_hold": "book_id uuid, hold_id uuid -> ledger.holds",
    "remove_account_group": "book_id uuid, group_id uuid -> ledger.groups",
    "remove_holder": "book_id uuid, account_id uuid, user_id uuid -> ledger.holders",
    "remove_member": "book_id uuid, user_id uuid -> ledger.members",
    "reverse_transaction": "book_id uuid, transaction_id uuid, amount bigint DEFAULT NULL::bigint,"
    f"{POST}",
    "set_account_group": "book_id uuid, name text, account_ids uuid[], min_total bigint,"
    " group_id uuid DEFAULT NULL::uuid -> ledger.groups",
    "set_balance_limits": "book_id uuid, account_id uuid, min_balance bigint, max_balance bigint"
    " -> ledger.accounts",
    "set_holder": "book_id uuid, account_id uuid, user_id uuid, access text -> ledger.holders",
    "set_member": "book_id uuid, user_id uuid, role text -> ledger.members",
    "statement": "book_id uuid, account_id uuid, from_date date, to_date date -> ledger.statement",
    "transfer": TRANSFER,
    "transfer_serializable": TRANSFER,
    "transfer_up_to": TRANSFER,
    "trial_balance": "book_id uuid, effective_on date DEFAULT NULL::date -> SETOF ledger.balance",
    "unfreeze_account": "book_id uuid, account_id uuid -> ledger.accounts",
    "unlock_period": "book_id uuid, from_date date, to_date date -> ledger.periods",
    "update_account": "book_id uuid, account_id uuid, name text DEFAULT NULL::text,"
    " code text DEFAULT NULL::text, payable boolean DEFAULT NULL::boolean,"
    " external_id text DEFAULT NULL::text, metadata jsonb DEFAULT NULL::jsonb"
    " -> ledger.accounts",
    "update_book": "book_id uuid, name text DEFAULT NULL::text,"
    " archived boolean DEFAULT NULL::boolean -> ledger.books",
    "verify_book": "book_id uuid -> SETOF ledger.check_result",
}
TYPES = {
    "balance": "account_id uuid, currency text, posted bigint, held bigint, available bigint,"
    " version bigint",
    "chain_head": "account_id uuid, slot smallint, version bigint, hash text",
    "change": "cursor text, transaction_id uuid, kind text, posted_at timestamp with time zone,"
    " effective_on date, entries ledger.receipt_entry[]",
    "check_result": "check_name text, ok boolean, details jsonb",
    "checkpoint": "book_id uuid, taken_at timestamp with time zone, entries bigint, root text,"
    " heads ledger.chain_head[]",
    "entry_input": "account_id uuid, amount bigint",
    "expectation": "account_id uuid, version bigint, available_gte bigint, posted_eq bigint",
    "posting_result": "ordinal integer, receipt ledger.receipt, error_code text,"
    " error_details jsonb",
    "receipt": "transaction_id uuid, book_id uuid, kind text, posted_at timestamp with time zone,"
    " effective_on date, replayed boolean, dry_run boolean, entries ledger.receipt_entry[]",
    "receipt_entry": "account_id uuid, amount bigint, balance_after bigint, version bigint",
    "register_line": "transaction_id uuid, leg smallint, kind text,"
    " booked_at timestamp with time zone, effective_on date, description text, amount bigint,"
    " running_balance bigint, version bigint, cursor text",
    "statement": "account_id uuid, currency text, opening bigint, closing bigint,"
    " lines ledger.register_line[]",
    "transaction_input": "entries ledger.entry_input[], idempotency_key text, effective_on date,"
    " description text, external_id text, metadata jsonb",
}


@pytest.fixture
def catalog(newest: Cluster) -> Iterator[Session]:
    """A connection to a migrated database, as the owner of the schema."""
    database = newest.database("ledger")
    world = World(database)
    yield world.owner()
    world.close()
    newest.drop(database)


def _functions(catalog: Session, schema: str) -> dict[str, Row]:
    rows = catalog.query(
        """
        select
            p.proname as name, p.prosecdef as definer, p.provolatile as volatility,
            coalesce(p.proconfig, '{}') as settings, p.proargmodes is not null as has_modes,
            p.prorettype::regtype::text as returns, p.prokind as kind,
            pg_get_function_arguments(p.oid) || ' -> ' || pg_get_function_result(p.oid) as signature
        from pg_proc as p where p.pronamespace = %s::regnamespace
        """,
        [schema],
    )
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names)), "an overload"
    return {row["name"]: row for row in rows}


def test_the_functions_and_types_of_the_api_are_these(catalog: Session) -> None:
    functions = _functions(catalog, "ledger")
    assert {name: f["signature"] for name, f in functions.items()} == SIGNATURES
    rows = catalog.query(
        """
        select c.relname as name,
            string_agg(
                a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum
            ) as columns
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'ledger'::regnamespace and c.relkind = 'c' group by 1
        """
    )
    assert {row["name"]: row["columns"] for row in rows} == TYPES


def test_isolation_is_declared_for_what_writes_and_reads_are_stable(catalog: Session) -> None:
    assert set(SIGNATURES) == WRITING | READING
    for name, function in _functions(catalog, "ledger").items():
        settings = set(function["settings"])
        if name in WRITING:
            level = "serializable" if name == "transfer_serializable" else "read committed"
            isolation = f"default_transaction_isolation={level}"
            assert settings == {PATH, isolation, "lock_timeout=3s"}, name
            assert function["volatility"] == "v", name
        else:
            assert settings == {PATH}, name
            assert function["volatility"] == "s", name


def test_functions_of_the_api_are_invoker_and_those_of_the_engine_are_not_exposed(
    catalog: Session,
) -> None:
    exposed = _functions(catalog, "ledger")
    engine = _functions(catalog, "ledger_private")
    assert not any(function["definer"] for function in exposed.values())
    assert {name for name, function in engine.items() if function["definer"]} == {
        *("capture_hold", "close_account", "create_book", "create_hold", "exchange"),
        *(
            "expire_holds",
            "lock_period",
            "my_accounts",
            "my_books",
            "my_memberships",
            "open_account",
        ),
        *("post_items", "post_serializable", "post_transfer", "raise_error", "refuse_change"),
        *("release_hold", "remove_account_group", "remove_holder", "remove_member"),
        *("require_zero_sum", "reverse_transaction", "set_account_group", "set_account_status"),
        *("set_balance_limits", "set_holder", "set_member", "touches_my_accounts"),
        *("unlock_period", "update_account", "update_book", "verify_book"),
    }
    assert {function["kind"] for function in (*exposed.values(), *engine.values())} == {"f"}
    for function in exposed.values():
        assert not function["has_modes"], function["name"]
        assert function["returns"] not in ("json", "jsonb", "record"), function["name"]


def test_every_function_has_a_search_path_that_no_temporary_object_comes_before(
    catalog: Session,
) -> None:
    for schema in ("ledger", "ledger_private"):
        for name, function in _functions(catalog, schema).items():
            assert PATH in function["settings"], name


def test_volatility_and_planning_of_the_engine_are_these(catalog: Session) -> None:
    engine = _functions(catalog, "ledger_private")
    kinds = {"s": STABLE, "i": IMMUTABLE, "v": engine.keys() - STABLE - IMMUTABLE}
    for volatility, names in kinds.items():
        assert {n for n, f in engine.items() if f["volatility"] == volatility} == names
    settings = {setting for function in engine.values() for setting in function["settings"]}
    assert settings - {PATH} == PLANNING.keys()
    for setting, names in PLANNING.items():
        assert {n for n, f in engine.items() if setting in f["settings"]} == names, setting


def test_every_table_has_row_level_security_that_asks_once_a_statement(catalog: Session) -> None:
    tables = catalog.query(
        f"select relname, relrowsecurity as on from pg_class"
        f" where relnamespace in {SCHEMAS} and relkind in ('r', 'p')"
    )
    assert {row["relname"] for row in tables if row["on"]} == {row["relname"] for row in tables}
    assert len(tables) == 14
    policies = catalog.query(
        f"""
        select c.relname, p.polcmd::text as command, p.polpermissive as permissive,
            p.polroles::regrole[]::text[] as roles, p.polwithcheck is null as reads_only,
            pg_get_expr(p.polqual, p.polrelid) as shown
        from pg_policy as p join pg_class as c on c.oid = p.polrelid
        where c.relnamespace in {SCHEMAS}
        """
    )
    shown = {row["relname"]: row["shown"] for row in policies}
    assert len(shown) == len(policies) == 13
    assert shown.pop("currencies") == "true"
    assert "= ANY (( SELECT ledger_private.my_memberships()" in shown.pop("books")
    for expression in shown.values():
        assert "( SELECT ledger_private.my_books()" in expression
    # Asked row by row, and only where the book is not one that she sees whole.
    by_row = {
        table: set(re.findall(r"OR ledger_private\.(\w+)\(", expression))
        for table, expression in shown.items()
    }
    assert {table: asked for table, asked in by_row.items() if asked} == {
        "transactions": {"touches_my_accounts"},
    }
    for row in policies:
        assert (row["command"], row["permissive"], row["reads_only"]) == ("r", True, True)
        assert row["roles"] == ["authenticated"]


def test_every_view_runs_as_its_caller(catalog: Session) -> None:
    views = catalog.query(
        f"select relname, reloptions from pg_class"
        f" where relnamespace in {SCHEMAS} and relkind in ('v', 'm')"
    )
    names = {
        *("accounts", "books", "currencies", "entries", "groups", "holders", "holds", "members"),
        *("periods", "receipt_lines", "register", "transactions"),
    }
    assert {row["relname"] for row in views} == names
    assert [row["reloptions"] for row in views] == [["security_invoker=true"]] * len(names)


def test_every_object_has_a_comment(catalog: Session) -> None:
    bare = catalog.query(
        f"""
        select proname::text as name from pg_proc
        where pronamespace in {SCHEMAS} and obj_description(oid, 'pg_proc') is null
        union all
        select relname from pg_class
        where relnamespace in {SCHEMAS} and relkind in ('r', 'v')
            and obj_description(oid, 'pg_class') is null
        union all
        select typname from pg_type as t join pg_class as c on c.oid = t.typrelid
        where t.typnamespace in {SCHEMAS} and c.relkind = 'c'
            and obj_description(t.oid, 'pg_type') is null
        union all
        select nspname from pg_namespace
        where oid in {SCHEMAS} and obj_description(oid, 'pg_namespace') is null
        """
    )
    assert bare == []


def test_the_first_line_of_a_comment_is_one_sentence(catalog: Session) -> None:
    rows = catalog.query(
        "select proname, split_part(obj_description(oid, 'pg_proc'), E'\\n', 1) as summary"
        " from pg_proc where pronamespace = 'ledger'::regnamespace"
    )
    assert len(rows) == len(SIGNATURES)
    for row in rows:
        assert row["summary"].endswith("."), row
        assert row["summary"][0].isupper(), row


def test_there_is_no_exposed_domain_no_sequence_and_no_extension(catalog: Session) -> None:
    shown = """
        select c.relname, a.attname
        from pg_attribute as a
        inner join pg_class as c on c.oid = a.attrelid
        inner join pg_type as t on t.oid = a.atttypid
        where c.relnamespace = 'ledger'::regnamespace and t.typtype = 'd'
    """
    assert catalog.query(shown) == []
    sequences = f"select relname from pg_class where relnamespace in {SCHEMAS} and relkind = 'S'"
    assert catalog.query(sequences) == []
    assert catalog.query("select extname from pg_extension") == [{"extname": "plpgsql"}]
    public = "select relname from pg_class where relnamespace = 'public'::regnamespace"
    assert catalog.query(public) == []


def test_everything_belongs_to_postgres_who_is_no_superuser(catalog: Session) -> None:
    owners = catalog.query(
        f"""
        select pg_get_userbyid(nspowner) as owner from pg_namespace where oid in {SCHEMAS}
        union
        select pg_get_userbyid(relowner) from pg_class where relnamespace in {SCHEMAS}
        union
        select pg_get_userbyid(proowner) from pg_proc where pronamespace in {SCHEMAS}
        union
        select pg_get_userbyid(typowner) from pg_type where typnamespace in {SCHEMAS}
        """
    )
    assert owners == [{"owner": "postgres"}]
    roles = catalog.query("select rolsuper from pg_roles where rolname = 'postgres'")
    assert roles == [{"rolsuper": False}]


def test_book_id_comes_first(catalog: Session) -> None:
    """In each primary key, unique index and foreign key of a table that has it, and in each
    function: a book can live on one shard."""
    keys = catalog.query(
        """
        select i.indexrelid::regclass::text as name, a.attname as first
        from pg_index as i
        join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        join pg_class as c on c.oid = i.indrelid
        where c.relnamespace = 'ledger_private'::regnamespace and i.indisunique
        """
    )
    others = {
        "ledger_private.books_pkey": "id",
        "ledger_private.currencies_pkey": "code",
        "ledger_private.error_catalogue_pkey": "code",
    }
    assert {k["name"]: k["first"] for k in keys if k["first"] != "book_id"} == others
    for name, signature in SIGNATURES.items():
        assert signature.startswith("book_id uuid") or name == "create_book"


def test_each_function_stands_in_a_file_of_its_name_that_names_its_test(catalog: Session) -> None:
    for schema in ("ledger", "ledger_private"):
        files = {
            file.stem: file.read_text() for file in (ROOT / "functions" / schema).glob("*.sql")
        }
        assert set(files) == set(_functions(catalog, schema))
        for name, text in files.items():
            assert text.startswith(f"-- {schema}.{name}: ")
            test = f"tests/integration/{schema}/test_{name}.py"
            if schema == "ledger":
                assert f"-- Tests   {test}" in text, name
                assert "-- Raises  " in text, name
                assert (ROOT / test).exists(), test


def test_headers_name_errors_of_the_catalogue(catalog: Session) -> None:
    codes = {
        row["code"] for row in catalog.query("select code from ledger_private.error_catalogue")
    }
    for file in (ROOT / "functions/ledger").glob("*.sql"):
        header = file.read_text().split("-- Raises  ")[1].split("-- Tests")[0]
        raised = header.replace("--", "").replace("\n", " ").replace(",", " ").split()
        assert raised, file.name
        assert set(raised) <= codes, file.name
