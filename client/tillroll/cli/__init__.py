"""The command `tillroll`: thin over the libraries."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process."""
    try:
        from tillroll.cli.app import run
    except ModuleNotFoundError as absent:  # the extra [cli] alone has not all that they import
        if (absent.name or "").startswith("tillroll"):
            raise
        sys.exit(f"tillroll: the commands need {absent.name}: pip install 'tillroll[all]'")
    run()
