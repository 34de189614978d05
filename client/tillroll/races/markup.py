"""HTML in small pieces: whatever is not markup already is escaped on its way in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from tillroll.races.lanes import plain

__all__ = ["Markup", "join", "link", "prose", "sql", "tag"]

_VOID = {"br", "meta"}

_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """
    add all alter and any array as asc begin between by case cast check column commit committed
    conflict constraint create cross default delete desc distinct do else end exists false for
    foreign from function group having if in index inner insert into is isolation join key language
    lateral left level limit lock nothing no not null nulls nowait of on only or order outer over
    perform primary read references release repeatable replace return returning returns rollback
    row savepoint select serializable set setof share skip locked table then to transaction trigger
    true truncate uncommitted union unique update using values view volatile when where with write
    """,
    )
)
_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*)
    | (?P<string>'(?:[^']|'')*')
    | (?P<name>(?<!:):[a-z_]+\b)
    | (?P<number>\b\d[\d_.]*\b)
    | (?P<word>\b[a-z_]\w*\b)
    """,
    re.VERBOSE | re.IGNORECASE,
)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str) -> Markup:
    """Return an element; `class_` is the attribute `class`, `aria_label` is `aria-label`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>" + ("" if name in _VOID else f"{join(*inside)}</{name}>"))


def join(*parts: str) -> Markup:
    """Return pieces one after the other."""
    return Markup("".join(p if isinstance(p, Markup) else _escaped(p) for p in parts))


def link(what: str, url: str) -> Markup:
    """Return a link to a page on the web; other addresses are shown and lead nowhere."""
    if re.match(r"https?://", url):
        return tag("a", what, href=url, rel="noreferrer")
    return join(f"{what}: {url}")


def prose(text: str) -> Markup:
    """Return a text in which backticks mean code, as in the races' own words."""
    parts = re.split(r"`([^`]+)`", text)
    return join(*(tag("code", part) if n % 2 else part for n, part in enumerate(parts)))


def sql(text: str) -> Markup:
    """Return SQL with its words lightly marked; line ends stay."""
    return join(*_tokens(text))


def _escaped(text: str) -> str:
    return escape(plain(text, lines=True))


def _tokens(text: str) -> Iterator[str]:
    at = 0
    for found in _TOKEN.finditer(text):
        yield text[at : found.start()]
        kind, at = str(found.lastgroup), found.end()
        if kind != "word":
            yield tag("span", found[0], class_=f"sql-{kind}")
        elif found[0].lower() in _KEYWORDS:
            yield tag("span", found[0], class_="sql-keyword")
        else:
            yield found[0]
    yield text[at:]
