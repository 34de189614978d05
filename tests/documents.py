"""Documents as tests see them: their code blocks, and a stack for those to run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import NPM, ROOT, missing
from tillroll.local.stack import Stack

END = "\x1e"  # between what one block prints and the next
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced piece of a document: its language, and the text between the fences."""

    language: str
    text: str


def blocks(document: Path, *languages: str) -> list[Block]:
    """The blocks of a document in order, of some languages or of all."""
    found = [Block(match[1], match[2]) for match in FENCE.finditer(document.read_text())]
    return [block for block in found if not languages or block.language in languages]


@contextmanager
def reader_at_a_stack() -> Iterator[dict[str, str]]:
    """A running stack, and the environment of somebody who types next to it."""
    folder = Path(tempfile.mkdtemp(prefix="tillroll-docs-"))
    with Stack(folder, durable=False):
        yield {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TILLROLL_DATA_DIR": str(folder),
            "NO_COLOR": "1",
        }
    shutil.rmtree(folder)


def run(
    command: list[str],
    environment: Mapping[str, str],
    text: str = "",
    cwd: Path = ROOT,
    timeout: float = 120,
) -> str:
    """Run a program with a text on its standard input; return what it printed."""
    done = subprocess.run(
        command,
        input=text,
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def exports(block: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment after a shell block that exports something."""
    said = run(["bash", "-euc", f"{block}\nenv -0"], environment)
    return dict(line.split("=", 1) for line in said.split("\0") if "=" in line)


def typed(
    document: Path, environment: Mapping[str, str], cwd: Path = ROOT, *, talk: bool = False
) -> Iterator[tuple[str, str]]:
    """Type a document's commands from top to bottom; give each printed block, and what was printed.

    Args:
        talk: Whether what goes to standard error is meant too.
    """
    script, printed = "exec 2>&1\n" if talk else "", {}
    for block in blocks(document):
        step = script.count(END)
        if block.language == "text":
            printed[step - 1] = block.text
        elif block.language == "python":
            script += f"python - <<'PYTHON'\n{block.text}PYTHON\nprintf '{END}'\n"
        else:
            assert block.language == "sh"
            script += f"{block.text}printf '{END}'\n"
    said = run(["bash", "-eu"], environment, script, cwd, timeout=600).split(END)
    assert printed
    for step, text in printed.items():
        yield text, "".join(line.rstrip() + "\n" for line in said[step].splitlines())


def run_python(block: str, environment: Mapping[str, str]) -> str:
    """Run a Python block as a reader pastes it into a file."""
    return run([sys.executable, "-"], environment, block)


def run_node(block: str, environment: Mapping[str, str], folder: Path) -> str:
    """Run a JavaScript block as a module that finds the installed packages."""
    node = shutil.which("node")
    if node is None or not (NPM / "@supabase/supabase-js").is_dir():
        missing("Node with @supabase/supabase-js")
    assert node is not None
    (folder / "node_modules").symlink_to(NPM)
    (folder / "example.mjs").write_text(block)
    # supabase-js wants a WebSocket to be there, which Node has without the flag since 22.
    old = int(run([node, "-p", "process.versions.node"], environment).split(".")[0]) < 22
    flags = ["--experimental-websocket", "--no-warnings"] if old else []
    return run([node, *flags, "example.mjs"], environment, cwd=folder)
