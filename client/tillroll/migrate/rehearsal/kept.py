"""What is kept as a JSON file between two runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tillroll.migrate.errors import UsageError

__all__ = ["load"]

T = TypeVar("T")


def load(path: Path, make: Callable[[Any], T], command: str) -> T:
    """Make what a file says.

    Args:
        make: From what the JSON document is.
        command: Which writes such files.

    Raises:
        UsageError: The file cannot be read, or is something else.
    """
    try:
        return make(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} is not what `tillroll migrate {command}` of this version writes ({error}): "
            "write it anew"
        ) from error
