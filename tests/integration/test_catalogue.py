"""The rules of the house as the catalog of a migrated database shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT, Cluster
from tests.world import Row, Session, World

SCHEMAS = "('ledger'::regnamespace, 'ledger_private'::regnamespace)"
PATH = "search_path=pg_catalog, pg_temp"
WRITING = {
    *("create_book", "freeze_account", "open_account", "remove_member", "set_balance_limits"),
    *("set_member", "transfer", "unfreeze_account", "update_account", "update_book"),
}
READING = {
    *("account_register", "find_transaction", "get_balance", "get_balances", "statement"),
    "verify_book",
}
SIGNATURES = {
    "account_register": "book_id uuid, account_id uuid, page_size integer DEFAULT 100,"
    " before text DEFAULT NULL::text -> SETOF ledger.register_line",
    "create_book": "name text, base_currency text, id uuid DEFAULT NULL::uuid -> ledger.books",
    "find_transaction": "book_id uuid, idempotency_key text -> ledger.receipt",
    "freeze_account": "book_id uuid, account_id uuid -> ledger.accounts",
    "get_balance": "book_id uuid, account_id uuid -> ledger.balance",
    "get_balances": "book_id uuid, account_ids uuid[] DEFAULT NULL::uuid[] -> SETOF ledger.balance",
    "open_account": "book_id uuid, name text, type text, currency text,"
    " code text DEFAULT NULL::text, min_balance bigint DEFAULT NULL::bigint,"
    " max_balance bigint DEFAULT NULL::bigint, payable boolean DEFAULT false,"
    " external_id text DEFAULT NULL::text, metadata jsonb DEFAULT '{}'::jsonb,"
    " id uuid DEFAULT NULL::uuid -> ledger.accounts",
    "remove_member": "book_id uuid, user_id uuid -> ledger.members",
    "set_balance_limits": "book_id uuid, account_id uuid, min_balance bigint, max_balance bigint"
    " -> ledger.accounts",
    "set_member": "book_id uuid, user_id uuid, role text -> ledger.members",
    "statement": "book_id uuid, account_id uuid, from_date date, to_date date -> ledger.statement",
    "transfer": "book_id uuid, from_account_id uuid, to_account_id uuid, amount bigint,"
    " idempotency_key text DEFAULT NULL::text, effective_on date DEFAULT NULL::date,"
    " description text DEFAULT NULL::text, external_id text DEFAULT NULL::text,"
    " metadata jsonb DEFAULT NULL::jsonb -> ledger.receipt",
    "unfreeze_account": "book_id uuid, account_id uuid -> ledger.accounts",
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
    "check_result": "check_name text, ok boolean, details jsonb",
    "receipt": "transaction_id uuid, book_id uuid, kind text, posted_at timestamp with time zone,"
    " effective_on date, replayed boolean, dry_run boolean, entries ledger.receipt_entry[]",
    "receipt_entry": "account_id uuid, amount bigint, balance_after bigint, version bigint",
    "register_line": "transaction_id uuid, leg smallint, kind text,"
    " booked_at timestamp with time zone, effective_on date, description text, amount bigint,"
    " running_balance bigint, version bigint, cursor text",
    "statement": "account_id uuid, currency text, opening bigint, closing bigint,"
    " lines ledger.register_line[]",
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
            isolation = "default_transaction_isolation=read committed"
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
        *("create_book", "my_books", "open_account", "post_transfer", "raise_error"),
        *("refuse_change", "remove_member", "require_zero_sum", "set_account_status"),
        *("set_balance_limits", "set_member", "update_account", "update_book"),
    }
    for function in (*exposed.values(), *engine.values()):
        assert function["kind"] == "f"
        assert not function["has_modes"], function["name"]
        assert function["returns"] not in ("json", "jsonb", "record"), function["name"]


def test_every_function_has_a_search_path_that_no_temporary_object_comes_before(
    catalog: Session,
) -> None:
    for schema in ("ledger", "ledger_private"):
        for name, function in _functions(catalog, schema).items():
            assert PATH in function["settings"], name


def test_every_table_has_row_level_security_that_asks_once_a_statement(catalog: Session) -> None:
    tables = catalog.query(
        f"select relname, relrowsecurity as on from pg_class"
        f" where relnamespace in {SCHEMAS} and relkind in ('r', 'p')"
    )
    assert {row["relname"] for row in tables if row["on"]} == {row["relname"] for row in tables}
    assert len(tables) == 8
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
    assert len(shown) == len(policies) == 7
    assert shown.pop("currencies") == "true"
    for expression in shown.values():
        assert "( SELECT ledger_private.my_books()" in expression
    for row in policies:
        assert (row["command"], row["permissive"], row["reads_only"]) == ("r", True, True)
        assert row["roles"] == ["authenticated"]


def test_every_view_runs_as_its_caller(catalog: Session) -> None:
    views = catalog.query(
        f"select relname, reloptions from pg_class"
        f" where relnamespace in {SCHEMAS} and relkind in ('v', 'm')"
    )
    names = {"books", "members", "accounts", "transactions", "entries", "currencies", "register"}
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
