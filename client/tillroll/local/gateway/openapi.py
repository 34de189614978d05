"""The document of the root path: what the exposed schema offers, as Swagger 2.0."""

from __future__ import annotations

import json
import re
from typing import Any

from .cache import Function, Relation, SchemaCache

_TYPES = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "boolean": "boolean",
}
_READ = ("select", "order", "limit", "offset")


def describe(cache: SchemaCache, schema: str) -> bytes:
    """Return the document of one schema."""
    relations = [r for r in cache.relations.values() if r.schema == schema]
    functions = [f for many in cache.functions.values() for f in many if f.schema == schema]
    title, description = _texts(cache.descriptions.get(schema))
    document = {
        "swagger": "2.0",
        "info": {"title": title or schema, "description": description, "version": "local"},
        "basePath": "/",
        "consumes": ["application/json"],
        "produces": ["application/json", "application/vnd.pgrst.object+json"],
        "paths": {
            "/": {"get": {"tags": ["Introspection"], "responses": _done(None)}},
            **{f"/{r.name}": {"get": _reading(r)} for r in relations},
            **{f"/rpc/{f.name}": _calling(f) for f in functions},
        },
        "definitions": {r.name: _definition(r) for r in relations},
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _reading(relation: Relation) -> dict[str, Any]:
    names = [*(column.name for column in relation.columns), *_READ]
    parameters = [{"name": name, "in": "query", "type": "string"} for name in names]
    rows = {"type": "array", "items": {"$ref": f"#/definitions/{relation.name}"}}
    return _operation(relation.name, relation.description, parameters, rows)


def _calling(function: Function) -> dict[str, Any]:
    properties = {a.name: _type(a.type) for a in function.arguments if a.name}
    body: dict[str, Any] = {"type": "object", "properties": properties}
    required = [a.name for a in function.arguments if a.required and a.name]
    if required:
        body["required"] = required
    result = None if function.returns_void else _type(function.result)
    if result and function.returns_set:
        result = {"type": "array", "items": result}
    payload = [{"name": "args", "in": "body", "required": True, "schema": body}]
    tag = f"rpc/{function.name}"
    methods = {"post": _operation(tag, function.description, payload, result)}
    if not function.volatile:
        query = [
            {"name": a.name, "in": "query", "required": a.required, "type": "string"}
            for a in function.arguments
            if a.name
        ]
        methods["get"] = _operation(tag, function.description, query, result)
    return methods


def _operation(
    tag: str, comment: str | None, parameters: list[dict[str, Any]], result: dict[str, Any] | None
) -> dict[str, Any]:
    summary, description = _texts(comment)
    return {
        "tags": [tag],
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": _done(result),
    }


def _definition(relation: Relation) -> dict[str, Any]:
    properties = {
        column.name: {**_type(column.type), "description": column.description or ""}
        for column in relation.columns
    }
    definition: dict[str, Any] = {
        "type": "object",
        "description": relation.description or "",
        "properties": properties,
    }
    required = [column.name for column in relation.columns if column.not_null]
    return {**definition, "required": required} if required else definition


def _type(name: str) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": "array", "items": _type(name[:-2]), "format": name}
    if name in ("json", "jsonb", "record"):
        return {"format": name}
    return {"type": _TYPES.get(re.sub(r"\(.*", "", name), "string"), "format": name}


def _done(result: dict[str, Any] | None) -> dict[str, Any]:
    if result is None:
        return {"204": {"description": "No content"}}
    return {"200": {"description": "OK", "schema": result}}


def _texts(comment: str | None) -> tuple[str, str]:
    """Return a comment's first line and the rest."""
    first, _, rest = (comment or "").partition("\n")
    return first, rest.strip()
