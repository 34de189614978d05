"""What a database holds as SQL: the first migration of one that never had any."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import psycopg

from tillroll.migrate.errors import ConnectionFailed
from tillroll.migrate.hosted import MESSAGES, POLICIED, REALTIME, is_platform_role
from tillroll.migrate.parser import parse
from tillroll.server import ServerError, find_binaries

__all__ = ["dump"]

_HEAD = """\
-- What this database was when its migrations began, by `tillroll migrate adopt --baseline`.

set check_function_bodies = false;
select pg_catalog.set_config('search_path', '', false);

-- A new project grants all on what is made in `public`: here only what is said below counts.
alter default privileges in schema public
    revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public
    revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public
    revoke all on functions from anon, authenticated, service_role;
"""
# What pg_dump says of each thing that it dumps, before it.
_ENTRY = re.compile(r"-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*)")
_EXTENSIONS = """
    select e.extname, r.rolname from pg_catalog.pg_extension as e
    join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
    join pg_catalog.pg_roles as r on r.oid = e.extowner
    where n.nspname <> 'pg_catalog'
"""
# Of these the platform takes care itself. The owner tells nothing: Supabase makes a project's
# extensions as a superuser, and gives some of its own to `postgres`.
_PLATFORM_EXTENSIONS = {
    *("pg_graphql", "pg_net", "pg_stat_statements", "pgcrypto", "pgjwt", "pgsodium"),
    *("supabase_vault", "uuid-ossp"),
}
# A project's triggers and policies on tables of the platform: they are in no schema of its own.
_BEYOND = """
    select pg_catalog.pg_get_triggerdef(t.oid) || ';'
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_class as c on c.oid = t.tgrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace as f on f.oid = p.pronamespace
    where not t.tgisinternal and t.tgparentid = 0
        and n.nspname = any (%(platform)s) and not (f.nspname = any (%(platform)s))
    union all
    select format('create policy %%I on %%I.%%I as %%s for %%s to %%s%%s%%s;',
        p.policyname, p.schemaname, p.tablename, p.permissive, p.cmd,
        (select string_agg(case r when 'public' then 'public' else quote_ident(r) end, ', ')
            from unnest(p.roles) as r),
        ' using (' || p.qual || ')', ' with check (' || p.with_check || ')')
    from pg_catalog.pg_policies as p where p.schemaname = any (%(policied)s)
    order by 1
"""
# pg_dump fills a materialized view with its rows, or not at all.
_FILLED = """
    select format('REFRESH MATERIALIZED VIEW %%I.%%I;', n.nspname, c.relname)
    from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind = 'm' and c.relispopulated and not (n.nspname = any (%(platform)s))
    order by c.oid
"""
_NAME = r'("(?:[^"]|"")*"|[\w$]+)'
_GIVEN = re.compile(rf"ALTER .* OWNER TO {_NAME};", re.DOTALL)
_FOR_ROLE = re.compile(rf"(?<=ALTER DEFAULT PRIVILEGES) FOR ROLE {_NAME}")
_MAPPING = re.compile(rf"CREATE USER MAPPING FOR {_NAME} SERVER {_NAME}")
_UNLESS_THERE = """\
do $$ begin
    if not exists (select from pg_catalog.pg_publication as p where p.pubname = '{name}') then
        {sql}
    end if;
end $$;"""


class _Part(NamedTuple):
    """A statement of the dump, and what it belongs to.

    Attributes:
        name: Of that thing.
        kind: `TABLE`, `ACL` …
        schema: `-` where it stands in none.
        owner: Empty where it has none.
    """

    name: str
    kind: str
    schema: str
    owner: str
    sql: str


def dump(conn: psycopg.Connection, platform: Collection[str], migrator: str) -> str:
    """Return the SQL that makes what a database holds, but for rows and what the platform owns.

    Args:
        conn: To the database.
        platform: The schemas that are not the project's.
        migrator: Who applies migrations there, and so owns what they make.

    Raises:
        ConnectionFailed: There is no pg_dump, or it failed.
    """
    names = {"platform": [*platform], "policied": [*POLICIED]}
    with conn.transaction():
        conn.execute("set local search_path = ''")  # so that names are written in full
        found = conn.execute(_EXTENSIONS).fetchall()
        extensions = {name: owner for name, owner in found if name not in _PLATFORM_EXTENSIONS}
        more = conn.execute(_FILLED, names).fetchall() + conn.execute(_BEYOND, names).fetchall()
    parts = [
        part for part in _parts(_pg_dump(conn, platform)) if _is_own(part, platform, extensions)
    ]
    written = [*_written(parts, migrator), *(row[0] for row in more)]
    return "\n\n".join([_HEAD.rstrip(), *written]) + "\n"


def _parts(text: str) -> Iterator[_Part]:
    """Give all but settings: those at its head, and who has granted something, not the owner."""
    entry = None
    for statement in parse(_without_restrictions(text), "the dump"):
        entry = _ENTRY.search(statement.text[: statement.code]) or entry
        if entry and not statement.empty and statement.kind != "variable_set_stmt":
            name, kind, schema, owner = entry.groups()
            yield _Part(name, kind, schema, owner, statement.text[statement.code :] + ";")


def _is_own(part: _Part, platform: Collection[str], extensions: Mapping[str, str]) -> bool:
    """Whether something is the project's; as `hosted` has it for facts."""
    if part.kind == "EXTENSION":
        return part.name in extensions
    if part.kind == "COMMENT" and part.name.startswith("EXTENSION "):
        name = part.name.removeprefix("EXTENSION ")
        return name in extensions and not is_platform_role(extensions[name])
    if part.kind == "PUBLICATION" and part.name == MESSAGES:
        return False
    if part.schema == "-" or part.kind == "DEFAULT ACL":
        return not is_platform_role(part.owner)
    return part.schema not in platform


def _written(parts: Iterable[_Part], migrator: str) -> Iterator[str]:
    """Give the statements as whoever applies migrations can run them, on a new database."""
    given = []  # away: after that their schemas are open to the new owners, and before any grant
    for part in parts:
        if owner := _GIVEN.fullmatch(part.sql):
            name = _plain(owner[1])
            if name != migrator and not is_platform_role(name):
                given.append(part.sql)
            continue
        if part.kind in {"ACL", "DEFAULT ACL"} and not part.name.startswith("SCHEMA "):
            yield from given
            given.clear()
        yield _rewritten(part, migrator)
    yield from given


def _rewritten(part: _Part, migrator: str) -> str:
    if part.kind == "PUBLICATION" and part.name == REALTIME:
        return _UNLESS_THERE.format(name=REALTIME, sql=part.sql)
    if part.kind == "DEFAULT ACL":
        return _FOR_ROLE.sub(lambda m: "" if _plain(m[1]) == migrator else m[0], part.sql, 1)
    if mapping := _MAPPING.match(part.sql):  # its options are secrets
        return mapping[0] + ";"
    return part.sql


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _pg_dump(conn: psycopg.Connection, without: Collection[str]) -> str:
    """Run pg_dump where a connection leads, told by the environment: others cannot read that."""
    # The caller's is for Kerberos, TLS and the loader; but her service is looked up already, and
    # would be stronger than the rest.
    environment = {key: value for key, value in os.environ.items() if key != "PGSERVICE"}
    for option in conn.pgconn.info:
        if option.envvar and option.val is not None and option.keyword != b"service":
            environment[option.envvar.decode()] = option.val.decode()
    command = ["--schema-only", "--no-password", "--no-subscriptions"]
    command += [f"--exclude-schema={_pattern(schema)}" for schema in sorted(without)]
    try:
        program = find_binaries() / "pg_dump"
        done = subprocess.run(
            [program, *command], env=environment, capture_output=True, check=False
        )
    except (ServerError, OSError) as error:
        raise ConnectionFailed(f"pg_dump cannot be run: {error}") from error
    if done.returncode:
        raise ConnectionFailed(f"pg_dump failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()  # as bytes: in a body each kind of end of line is kept


def _without_restrictions(text: str) -> str:
    """Leave out the two commands to psql that newer versions put around it, told by their key."""
    lines = text.split("\n")
    keys = {line.split()[1] for line in lines[:20] if line.startswith("\\restrict ")}
    marks = {f"\\{word} {key}" for key in keys for word in ("restrict", "unrestrict")}
    return "\n".join(line for line in lines if line not in marks)


def _pattern(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'
