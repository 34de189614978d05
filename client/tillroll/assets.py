"""Where the SQL that ships with Tillroll stands: inside the wheel, or in the checkout around it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["asset"]

_WHEEL = Path(__file__).parent / "_assets"
_CHECKOUT = Path(__file__).parents[2]


def asset(path: str) -> Path:
    """Return the real path of a shipped file or folder, named as in the repository.

    Args:
        path: `supabase/migrations`, `sql/platform` or `sql/seed`, or something below one of them.
    """
    shipped = _WHEEL / path
    return shipped if shipped.exists() else _CHECKOUT / path
