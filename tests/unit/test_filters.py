"""A page as a query string."""

from __future__ import annotations

from tillroll.transports import Page
from tillroll.transports.postgrest import filters


def test_a_page_begins_where_an_index_can_begin() -> None:
    page = Page(source="entries", columns=("a", "b"), key=("a", "b"), after=("x", 1))
    query = filters(page)
    # `or` alone says the same, but no index knows where to begin with it.
    assert ("a", "gte.x") in query
    assert ("or", "(and(a.gt.x),and(a.eq.x,b.gt.1))") in query
