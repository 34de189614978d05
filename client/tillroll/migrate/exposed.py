"""`[api] schemas` in supabase/config.toml: what the API shows.

The file is its owner's, and every other byte of it stays. So the change is tried in the text at
each place where it could belong, and that text is taken of which a TOML parser says that the list
has become what it shall be, and that nothing else has changed.
"""

from __future__ import annotations

import contextlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tillroll.migrate.errors import UsageError
from tillroll.migrate.files import read_sql

__all__ = ["expose", "exposed_schemas"]

_DEFAULT = ["public", "graphql_public"]  # the CLI's, where the key is missing
_SECTION = re.compile(r"^[ \t]*\[api\].*$\n?", re.MULTILINE)


def exposed_schemas(config: Path) -> tuple[str, ...]:
    """Return `[api] schemas` of a supabase/config.toml, else the CLI's default.

    Raises:
        UsageError: It is no TOML, or that is no list of names.
    """
    _, listed = _parsed(read_sql(config) if config.is_file() else "")
    return tuple(_DEFAULT if listed is None else listed)


def expose(text: str, schema: str) -> str:
    """Return the text of a config.toml that exposes a schema too, after the others.

    The first of the list stays the first: it is the API's default.

    Raises:
        UsageError: It is no TOML, or the list must be changed by hand.
    """
    before, listed = _parsed(text)
    if schema in (listed or ()):
        return text
    wanted = [*(_DEFAULT if listed is None else listed), schema]
    after = {**before, "api": {**before.get("api", {}), "schemas": wanted}}
    array = json.dumps(wanted)  # strings of JSON are strings of TOML
    for candidate in _added(text, array) if listed is None else _longer(text, wanted):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            if tomllib.loads(candidate) == after:
                return candidate
    raise UsageError(
        f"supabase/config.toml cannot be changed by a program: expose {schema} by hand, in [api] "
        f"as schemas = {array}, and run this again"
    )


def _parsed(text: str) -> tuple[dict[str, Any], list[str] | None]:
    """Return a config, and its list of schemas."""
    try:
        config = tomllib.loads(text)
        listed = config.get("api", {}).get("schemas")
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise UsageError(f"supabase/config.toml cannot be read: {error}") from error
    if listed is not None and not (
        isinstance(listed, list) and all(isinstance(each, str) for each in listed)
    ):
        raise UsageError("supabase/config.toml: [api] schemas is no list of names")
    return config, listed


def _added(text: str, array: str) -> Iterator[str]:
    """Write the key right behind the header of its section, else a section of its own."""
    newline = "\r\n" if "\r\n" in text else "\n"
    for section in _SECTION.finditer(text):
        head = section[0] if section[0].endswith("\n") else section[0] + newline
        yield f"{text[: section.start()]}{head}schemas = {array}{newline}{text[section.end() :]}"
    ended = text if text.endswith("\n") or not text else text + newline
    yield f"{ended}{newline if text else ''}[api]{newline}schemas = {array}{newline}"


def _longer(text: str, wanted: list[str]) -> Iterator[str]:
    """Write the last one right behind the one before it, or behind the bracket."""
    *_, last, new = ["", *map(json.dumps, wanted)]
    for place in re.finditer(f"[\"']{re.escape(last[1:-1])}[\"']" if last else r"\[", text):
        yield f"{text[: place.end()]}{', ' if last else ''}{new}{text[place.end() :]}"
