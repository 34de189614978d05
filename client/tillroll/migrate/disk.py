"""Several files at once: all of them, or none."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_all"]


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write files and their folders, or leave everything as it was.

    They come into their places one after the other, in this order; a process that is killed in
    between leaves the first ones there.

    Raises:
        OSError: One could not be written; none is.
    """
    token = secrets.token_hex(4)
    moves = []
    with contextlib.ExitStack() as always, contextlib.ExitStack() as undo:
        for path, content in files.items():
            target = path.resolve()  # a link stays one
            if not target.parent.exists():
                always.callback(_remove_if_empty, target.parent)
                target.parent.mkdir()
            staged = target.with_name(f".{target.name}.{token}.new")
            always.callback(staged.unlink, missing_ok=True)
            staged.write_bytes(content)
            before = None
            if target.exists():
                shutil.copymode(target, staged)
                before = target.with_name(f".{target.name}.{token}.before")
                always.callback(before.unlink, missing_ok=True)
                shutil.copy2(target, before)
            moves.append((staged, target, before))
        for staged, target, before in moves:
            # Noted first: Ctrl-C may come right after the move.
            if before is None:
                undo.callback(target.unlink, missing_ok=True)
            else:
                undo.callback(os.replace, before, target)
            os.replace(staged, target)
        undo.pop_all()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
