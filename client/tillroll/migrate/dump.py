"""What a database holds as SQL: the first migration of one that never had any."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tillroll.migrate import history
from tillroll.migrate.errors import ConnectionFailed
from tillroll.migrate.parser import parse
from tillroll.server import ServerError, find_binaries

__all__ = ["dump"]

_HEAD = """\
-- What this database was when its migrations began, by `tillroll migrate adopt --baseline`.

set check_function_bodies = false;
select pg_catalog.set_config('search_path', '', false);
"""
_SCHEMAS = """
    select n.nspname from pg_catalog.pg_namespace as n
    where n.nspname !~ '^pg_' and not (n.nspname = any (%s)) order by 1
"""
_EXTENSIONS = """
    select format('create extension if not exists %%I with schema %%I;', e.extname, n.nspname)
    from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
    join pg_catalog.pg_roles as r on r.oid = e.extowner
    where n.nspname <> 'pg_catalog' and r.rolname !~ '^supabase_' order by e.extname
"""
# A project's triggers and policies on tables of the platform: they are in no schema of its own.
_BEYOND = """
    select pg_catalog.pg_get_triggerdef(t.oid) || ';'
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_class as c on c.oid = t.tgrelid
    join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    where not t.tgisinternal and c.relnamespace::regnamespace::text = any (%(platform)s)
        and not (p.pronamespace::regnamespace::text = any (%(platform)s))
    union all
    select format('create policy %%I on %%I.%%I as %%s for %%s to %%s%%s%%s;',
        p.policyname, p.schemaname, p.tablename, p.permissive, p.cmd,
        (select string_agg(case r when 'public' then 'public' else quote_ident(r) end, ', ')
            from unnest(p.roles) as r),
        ' using (' || p.qual || ')', ' with check (' || p.with_check || ')')
    from pg_catalog.pg_policies as p where p.schemaname = any (%(platform)s)
    order by 1
"""
_KINDS_OF_HEAD = {"variable_set_stmt", "select_stmt"}
_PUBLIC = {
    "CREATE SCHEMA public",
    "COMMENT ON SCHEMA public IS 'standard public schema'",
}


def dump(dsn: str, platform: Collection[str]) -> str:
    """Return the SQL that makes what a database holds, but for rows and what the platform owns.

    Args:
        dsn: Of the database.
        platform: The schemas that are not the project's.

    Raises:
        ConnectionFailed: There is no pg_dump, or it failed.
    """
    with history.connect(dsn) as conn, conn.transaction():
        conn.execute("set local search_path = ''")  # so that names are written in full
        own = _column(conn, _SCHEMAS, ([*platform],))
        extensions = _column(conn, _EXTENSIONS, {})
        beyond = _column(conn, _BEYOND, {"platform": [*platform]})
    text = _without_restrictions(_pg_dump(dsn, own))
    kept = [
        statement.text[statement.code :] + ";"
        for statement in parse(text, "the dump")
        if not statement.empty
        and statement.kind not in _KINDS_OF_HEAD
        and statement.text[statement.code :] not in _PUBLIC
    ]
    return "\n\n".join([_HEAD.rstrip(), *extensions, *kept, *beyond]) + "\n"


def _pg_dump(dsn: str, schemas: Sequence[str]) -> str:
    """Run pg_dump; the URL goes by the environment, where others on the machine cannot read it."""
    names = {"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE"}
    names |= {"user": "PGUSER", "password": "PGPASSWORD", "options": "PGOPTIONS"}
    names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    parts = conninfo_to_dict(dsn)
    environment = {names[key]: str(value) for key, value in parts.items() if key in names}
    command = ["--schema-only", "--no-owner", "--no-publications", "--no-subscriptions"]
    command += [f"--schema={_pattern(schema)}" for schema in schemas]
    try:
        program = find_binaries() / "pg_dump"
        done = subprocess.run(
            [program, *command], env=environment, capture_output=True, text=True, check=False
        )
    except (ServerError, OSError) as error:
        raise ConnectionFailed(f"pg_dump cannot be run: {error}") from error
    if done.returncode:
        raise ConnectionFailed(f"pg_dump failed: {done.stderr.strip()}")
    return done.stdout


def _without_restrictions(text: str) -> str:
    """Leave out the two commands to psql that newer versions put around it, told by their key."""
    lines = text.splitlines()
    keys = {line.split()[1] for line in lines[:20] if line.startswith("\\restrict ")}
    marks = {f"\\{word} {key}" for key in keys for word in ("restrict", "unrestrict")}
    return "\n".join(line for line in lines if line not in marks)


def _pattern(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


def _column(conn: psycopg.Connection, query: str, values: object) -> list[str]:
    return [row[0] for row in conn.execute(query, values).fetchall()]  # type: ignore[call-overload]
