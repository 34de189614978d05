"""A gateway that speaks PostgREST's protocol, for laptops and tests.

It issues the same statements in the same order as PostgREST does, so that isolation levels, hoisted
settings, roles and errors behave as in production. It serves functions and reads; table writes are
PostgREST's alone.
"""

from __future__ import annotations

from .app import create_app
from .settings import Settings

__all__ = ["Settings", "create_app"]
