"""The client against the catalog: functions and methods, types and models, errors and classes."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest

from tests.integration.client.conftest import Backend
from tillroll import AsyncBook, AsyncTillroll, Book, Tillroll, models
from tillroll.errors import LedgerError

MODELS = {
    "accounts": models.Account,
    "balance": models.Balance,
    "books": models.BookInfo,
    "chain_head": models.ChainHead,
    "change": models.Change,
    "check_result": models.Check,
    "checkpoint": models.Checkpoint,
    "currencies": models.Currency,
    "entries": models.Entry,
    "entry_input": models.EntryInput,
    "expectation": models.Expectation,
    "groups": models.AccountGroup,
    "holders": models.Holder,
    "holds": models.Hold,
    "members": models.Member,
    "periods": models.Period,
    "posting_result": models.PostingResult,
    "receipt": models.Receipt,
    "receipt_entry": models.ReceiptEntry,
    "register_line": models.RegisterLine,
    "statement": models.Statement,
    "transaction_input": models.TransactionInput,
    "transactions": models.Transaction,
}
TYPE_OF = {
    str: {"text"},
    int: {"bigint", "integer", "smallint"},
    bool: {"boolean"},
    date: {"date"},
    datetime: {"timestamp with time zone"},
    UUID: {"uuid"},
}
SIDES = {"sync": (Tillroll, Book), "async": (AsyncTillroll, AsyncBook)}


def sql_types(hint: Any) -> set[str]:
    """The SQL types that an annotation stands for."""
    hint = getattr(hint, "__supertype__", hint)
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = {getattr(each, "__supertype__", each) for each in inner} - {types.NoneType}
        if kinds == {UUID, str}:
            return {"uuid"}
        [only] = kinds
        return sql_types(only)
    if origin is Mapping:
        return {"jsonb"}
    if origin in (Sequence, tuple):
        return {f"{each}[]" for each in sql_types(inner[0])}
    names = {f"ledger.{name}" for name, model in MODELS.items() if model is hint}
    return names or TYPE_OF[hint]


def is_optional(hint: Any) -> bool:
    return types.NoneType in get_args(hint)


def functions(backend: Backend) -> dict[str, dict[str, Any]]:
    rows = backend.sql(
        """
        select p.proname, p.proargnames, p.pronargdefaults, p.proretset,
               p.prorettype::regtype::text,
               array(select format_type(t, null) from unnest(p.proargtypes) as t),
               array(select pg_get_function_arg_default(p.oid, n)
                     from generate_series(1, p.pronargs) as n)
        from pg_proc as p where p.pronamespace = 'ledger'::regnamespace
        """
    )
    return {
        name: {
            "arguments": dict(zip(names, zip(kinds, defaults, strict=True), strict=True)),
            "returns": returns,
            "set": is_set,
        }
        for name, names, _, is_set, returns, kinds, defaults in rows
    }


def methods(side: str, known: set[str]) -> dict[str, Any]:
    client, book = SIDES[side]
    found = {name: getattr(book, name) for name in known if hasattr(book, name)}
    return found | {name: getattr(client, name) for name in known if hasattr(client, name)}


def python_default(sql: str | None) -> Any:
    """What the client has for a default: None stands for what is left out."""
    if sql is None:
        return inspect.Parameter.empty
    literal = sql.split("::")[0]
    return {"NULL": None, "'{}'": None, "false": False, "true": True}.get(
        literal, literal.strip("'")
    )


@pytest.mark.parametrize("side", SIDES)
def test_every_function_has_a_method_with_its_arguments(backend: Backend, side: str) -> None:
    catalog = functions(backend)
    found = methods(side, set(catalog))
    assert set(found) == set(catalog)
    for name, method in found.items():
        wanted = dict(catalog[name]["arguments"])
        if name != "create_book":
            assert wanted.pop("book_id")[0] == "uuid"
        parameters = dict(inspect.signature(method).parameters)
        parameters.pop("self")
        assert list(parameters) == list(wanted), name
        hints = get_type_hints(method)
        for argument, (kind, default) in wanted.items():
            parameter = parameters[argument]
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert kind in sql_types(hints[argument]), f"{name}.{argument}"
            expected = python_default(default)
            given = parameter.default
            assert (str(given) if isinstance(expected, str) else given) == expected, (
                f"{name}.{argument}"
            )
            if given is None:
                assert is_optional(hints[argument]), f"{name}.{argument}"


@pytest.mark.parametrize("side", SIDES)
def test_every_method_returns_what_its_function_returns(backend: Backend, side: str) -> None:
    catalog = functions(backend)
    for name, method in methods(side, set(catalog)).items():
        returned = get_type_hints(method)["return"]
        wanted = catalog[name]["returns"] + ("[]" if catalog[name]["set"] else "")
        assert wanted in sql_types(returned), name


def test_models_have_the_fields_of_the_types_and_views(backend: Backend) -> None:
    rows = backend.sql(
        """
        select c.relname, a.attname, format_type(a.atttypid, null)
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'ledger'::regnamespace and not a.attisdropped
        order by c.relname, a.attnum
        """
    )
    catalog: dict[str, list[tuple[str, str]]] = {}
    for relation, column, kind in rows:
        catalog.setdefault(relation, []).append((column, kind))
    assert set(catalog) == set(MODELS)
    for relation, fields in catalog.items():
        model = MODELS[relation]
        hints = get_type_hints(model)
        assert models.columns(model) == tuple(name for name, _ in fields), relation
        for name, kind in fields:
            assert kind in sql_types(hints[name]), f"{relation}.{name}"


def test_what_a_view_may_leave_null_is_optional_in_its_model(backend: Backend) -> None:
    """The table behind a view says what is never null."""
    tables = {"books": "books", "members": "book_members", "currencies": "currencies"}
    tables |= {name: name for name in ("accounts", "transactions", "entries", "holds")}
    tables |= {"holders": "account_holders", "groups": "account_groups", "periods": "period_locks"}
    for view, table in tables.items():
        hints = get_type_hints(MODELS[view])
        rows = backend.sql(
            "select attname, attnotnull from pg_attribute where attnum > 0 "
            f"and attrelid = 'ledger_private.{table}'::regclass"
        )
        for column, not_null in rows:
            if column in hints:
                assert is_optional(hints[column]) is not not_null, f"{view}.{column}"


def test_each_code_of_the_catalogue_is_a_class_and_the_reverse(backend: Backend) -> None:
    rows = backend.sql("select code, http_status, retryable from ledger_private.error_catalogue")
    classes = {
        (code, kind.http_status, kind.retryable) for code, kind in LedgerError.by_code.items()
    }
    assert set(rows) == classes


def test_no_method_is_named_list() -> None:
    for side in SIDES.values():
        assert not any(hasattr(kind, "list") for kind in side)


def test_both_sides_have_the_same_methods_and_arguments() -> None:
    for sync, asynchronous in zip(*SIDES.values(), strict=True):
        public = {name for name in dir(sync) if not name.startswith("_")}
        assert public == {name for name in dir(asynchronous) if not name.startswith("_")}
        for name in public:
            one, other = (inspect.signature(getattr(k, name)) for k in (sync, asynchronous))
            assert list(one.parameters) == list(other.parameters)
