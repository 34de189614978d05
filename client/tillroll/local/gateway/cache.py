"""What the exposed schemas hold: read in one go, and again when Postgres says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from .errors import ApiError
from .pool import connect

_log = logging.getLogger(__name__)
Pairs = tuple[tuple[str, str], ...]

_RELOAD = "After DDL: notify pgrst, 'reload schema'"
_HOISTED = (
    "statement_timeout",
    "plan_filter.statement_cost_limit",
    "default_transaction_isolation",
)

_FUNCTIONS = """
select n.nspname as schema, p.proname as name, p.provolatile as volatility, p.proretset as is_set,
       coalesce(p.proconfig, '{}') as config, obj_description(p.oid, 'pg_proc') as description,
       p.prorettype = 'void'::regtype as is_void, format_type(p.prorettype, null) as result,
       coalesce(base.typtype, t.typtype) = 'c'
           or coalesce(p.proargmodes::text[] && '{t,b,o}', false) as is_composite,
       p.pronargs - p.pronargdefaults as required, p.provariadic <> 0 as is_variadic,
       array(select format_type(a.type, -1)
             from unnest(p.proargtypes) with ordinality as a (type, n) order by a.n) as types,
       array(select coalesce(p.proargnames[a.n], '') from generate_subscripts(
                 coalesce(p.proallargtypes, p.proargtypes::oid[]), 1) as s (i)
             cross join lateral (select s.i + (p.proallargtypes is null)::int) as a (n)
             where coalesce(p.proargmodes[a.n], 'i') in ('i', 'b', 'v') order by a.n) as names
from pg_proc as p
join pg_namespace as n on n.oid = p.pronamespace
join pg_type as t on t.oid = p.prorettype
left join pg_type as base on base.oid = t.typbasetype
where n.nspname = any(%(schemas)s) and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
order by 1, 2, p.oid
"""

_RELATIONS = """
select n.nspname as schema, c.relname as name, obj_description(c.oid, 'pg_class') as description,
       array(select json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                                     col_description(c.oid, a.attnum))
             from pg_attribute as a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             order by a.attnum) as columns
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any(%(schemas)s) and c.relkind in ('r', 'v', 'm', 'f', 'p')
order by 1, 2
"""

# A custom setting of a role is left out, as PostgREST does.
_ROLES = """
select r.rolname as role, s.name, substr(c.item, length(s.name) + 2) as value
from pg_auth_members as m
join pg_roles as r on r.oid = m.roleid
cross join lateral unnest(r.rolconfig) as c (item)
join pg_settings as s on s.name = split_part(c.item, '=', 1)
where m.member = current_user::regrole
  and (s.context = 'user' or has_parameter_privilege(current_user, s.name, 'set'))
order by 1, 2
"""


@dataclass(frozen=True)
class Argument:
    """An argument that a caller gives; `type` is SQL and qualified."""

    name: str
    type: str
    required: bool
    variadic: bool


@dataclass(frozen=True, eq=False)
class Function:
    """A function of an exposed schema; compared by identity, so it can key what is built for it."""

    schema: str
    name: str
    arguments: tuple[Argument, ...]
    returns_set: bool
    returns_composite: bool
    returns_void: bool
    result: str
    volatile: bool
    isolation: str | None
    settings: Pairs
    description: str | None

    def accepts(self, names: Iterable[str]) -> bool:
        """Whether it can be called with these arguments."""
        given = set(names)
        known = {argument.name for argument in self.arguments}
        needed = {argument.name for argument in self.arguments if argument.required}
        return needed <= given <= known

    @property
    def takes_json(self) -> bool:
        """Whether its only argument is unnamed JSON, to which the whole body goes."""
        return [(a.name, a.type) for a in self.arguments] in ([("", "json")], [("", "jsonb")])


@dataclass(frozen=True)
class Column:
    """A column of a relation."""

    name: str
    type: str
    not_null: bool
    description: str | None


@dataclass(frozen=True)
class Relation:
    """A table or view of an exposed schema."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    description: str | None


@dataclass(frozen=True)
class Role:
    """What `alter role … set` gives a role that we may become."""

    isolation: str | None = None
    settings: Pairs = ()


@dataclass(frozen=True)
class SchemaCache:
    """One state of the catalog."""

    functions: dict[tuple[str, str], tuple[Function, ...]]
    relations: dict[tuple[str, str], Relation]
    roles: dict[str, Role]
    descriptions: dict[str, str | None]

    def relation(self, name: tuple[str, str]) -> Relation:
        """Return the relation of that schema and name.

        Raises:
            ApiError: PGRST205, there is none.
        """
        found = self.relations.get(name)
        if found is None:
            message = f"The schema cache holds no table or view {'.'.join(name)}."
            raise ApiError(404, "PGRST205", message, hint=_RELOAD)
        return found

    def function(self, name: tuple[str, str], arguments: tuple[str, ...] | None) -> Function:
        """Return the one function of that name that takes these arguments.

        Args:
            name: Schema and name.
            arguments: Their names; None for a body that is no object.

        Raises:
            ApiError: PGRST202, there is none; PGRST203, there are several.
        """
        overloads, given = self.functions.get(name, ()), arguments or ()
        fitting = [f for f in overloads if arguments is not None and f.accepts(given)]
        fitting = fitting or [f for f in overloads if f.takes_json]
        if len(fitting) > 1:
            message = f"Several functions {'.'.join(name)} take these arguments."
            details = "; ".join(f"({', '.join(a.type for a in f.arguments)})" for f in fitting)
            hint = "Give overloads different names, or arguments that tell them apart."
            raise ApiError(300, "PGRST203", message, details=details, hint=hint)
        repeated = sorted({argument for argument in given if given.count(argument) > 1})
        if not fitting or (repeated and not fitting[0].takes_json):
            listed = ", ".join(given) or "none"
            message = f"There is no function {'.'.join(name)} with the arguments: {listed}"
            known = "; ".join(", ".join(a.name for a in f.arguments) for f in overloads)
            twice = f"Given twice: {', '.join(repeated)}"
            details = twice if repeated else f"Functions of that name take: {known or '-'}"
            raise ApiError(404, "PGRST202", message, details=details, hint=_RELOAD)
        return fitting[0]


async def load(uri: str, schemas: tuple[str, ...]) -> SchemaCache:
    """Read the catalog.

    Raises:
        ApiError: PGRST000, Postgres cannot be reached.
        psycopg.Error: The catalog could not be read.
    """
    async with await connect(uri) as connection, connection.transaction():
        # Qualifies every type that format_type names.
        await connection.execute("set local search_path = ''")
        cursor = connection.cursor(row_factory=dict_row)
        names = {"schemas": list(schemas)}
        functions: dict[tuple[str, str], list[Function]] = {}
        for row in await (await cursor.execute(_FUNCTIONS, names)).fetchall():
            functions.setdefault((row["schema"], row["name"]), []).append(_function(row))
        relations = {
            (row["schema"], row["name"]): Relation(
                row["schema"],
                row["name"],
                tuple(Column(*column) for column in row["columns"]),
                row["description"],
            )
            for row in await (await cursor.execute(_RELATIONS, names)).fetchall()
        }
        settings: dict[str, list[tuple[str, str]]] = {}
        for row in await (await cursor.execute(_ROLES)).fetchall():
            settings.setdefault(row["role"], []).append((row["name"], row["value"]))
        await cursor.execute(
            "select nspname, obj_description(oid, 'pg_namespace') as said from pg_namespace"
            " where nspname = any(%(schemas)s)",
            names,
        )
        descriptions = {row["nspname"]: row["said"] for row in await cursor.fetchall()}
    return SchemaCache(
        {key: tuple(overloads) for key, overloads in functions.items()},
        relations,
        {role: _role(pairs) for role, pairs in settings.items()},
        descriptions,
    )


def _function(row: dict[str, Any]) -> Function:
    config = [setting.partition("=")[::2] for setting in row["config"]]
    hoisted = tuple((name, value) for name, value in config if name in _HOISTED)
    count = len(row["types"])
    return Function(
        schema=row["schema"],
        name=row["name"],
        arguments=tuple(
            Argument(name, kind, i < row["required"], row["is_variadic"] and i == count - 1)
            for i, (name, kind) in enumerate(zip(row["names"], row["types"], strict=True))
        ),
        returns_set=row["is_set"],
        returns_composite=row["is_composite"],
        returns_void=row["is_void"],
        result=row["result"],
        volatile=row["volatility"] == "v",
        isolation=dict(hoisted).get("default_transaction_isolation"),
        settings=hoisted,
        description=row["description"],
    )


def _role(pairs: list[tuple[str, str]]) -> Role:
    isolation = dict(pairs).get("default_transaction_isolation")
    kept = tuple(pair for pair in pairs if pair[0] != "default_transaction_isolation")
    return Role(isolation, kept)


class Listener:
    """Keeps a cache current: loads it, and again on `notify pgrst` and after every reconnection."""

    def __init__(self, uri: str, schemas: tuple[str, ...]) -> None:
        self.cache: SchemaCache | None = None
        self._uri = uri
        self._schemas = schemas
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, and return after the first attempt, whether or not it worked."""
        self._task = asyncio.create_task(self._run())
        await self._tried.wait()

    async def stop(self) -> None:
        """End."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = 0.1
        while True:
            try:
                async with await connect(self._uri) as connection:
                    # Listening first: what is notified during the load is then seen after it.
                    await connection.execute("listen pgrst")
                    self.cache = await load(self._uri, self._schemas)
                    self._tried.set()
                    delay = 0.1
                    async for notice in connection.notifies():
                        if notice.payload in ("", "reload schema", "reload config"):
                            self.cache = await load(self._uri, self._schemas)
            except (ApiError, psycopg.Error) as failed:
                said = failed.details if isinstance(failed, ApiError) else str(failed).strip()
                _log.warning("gateway: Postgres is away, will try again: %s", said)
            self._tried.set()
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)
