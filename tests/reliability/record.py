"""What is kept of a part that has finished: one JSON file, from which the reports are made."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.conftest import ROOT
from tests.reliability.parts import Listed
from tests.reliability.proof import Check, Event, Figure, Run, Size
from tillroll.server import find_binaries

Machine = dict[str, str | int | float]
ENDS, CHECKS = "it runs to its end", "it checks something"
"""Checks of every part that fail where it raises or says nothing."""


@dataclass(frozen=True)
class Record:
    """A part that has finished, well or not.

    Attributes:
        ended: UTC, ISO 8601.
        seconds: How long it took.
        files: What it keeps in its folder beside the record: histories, logs.
        machine: What it ran on, and which versions of what.
    """

    part: str
    title: str
    seed: int
    size: Size
    ended: str
    seconds: float
    checks: Sequence[Check]
    figures: dict[str, Figure]
    plan: Sequence[str]
    events: Sequence[Event]
    files: Sequence[str]
    machine: Machine

    @property
    def failed(self) -> int:
        """How many checks do not hold."""
        return sum(not check.ok for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether all checks hold."""
        return self.failed == 0


@cache
def machine() -> Machine:
    """Describe this machine and this checkout, without naming either."""
    described = _output("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags")
    return {
        "cpus": os.cpu_count() or 0,
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Postgres": _output(str(find_binaries() / "postgres"), "-V").rpartition(" ")[2],
        "Python": platform.python_version(),
        "tillroll": version("tillroll"),
        "commit": described,
    }


def _output(*command: str) -> str:
    """What a command prints, `unknown` where it cannot run: an installed copy has no history."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def record_of(listed: Listed, run: Run) -> Record:
    """Sum up a run that has just ended."""
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    return Record(
        part=listed.name,
        title=listed.title,
        seed=run.seed,
        size=run.size,
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(run.seconds, 3),
        checks=run.checks,
        figures=run.figures,
        plan=run.plan,
        events=run.events,
        files=sorted(str(path.relative_to(run.folder)) for path in files),
        machine=machine(),
    )


def write(record: Record, folder: Path) -> Path:
    """Keep a record; who reads meanwhile sees all of it or nothing."""
    file = folder / f"{record.part}.json"
    half = file.with_suffix(".part")
    half.write_text(json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")
    return half.replace(file)


def read(file: Path) -> Record:
    """Return the record that `write` kept."""
    told = json.loads(file.read_text())
    told["checks"] = [Check(**check) for check in told["checks"]]
    told["events"] = [Event(**event) for event in told["events"]]
    return Record(**told)


def read_all(folder: Path, parts: Sequence[Listed]) -> list[Record]:
    """Return the records of a folder, in the order of the parts."""
    files = [folder / f"{listed.name}.json" for listed in parts]
    return [read(file) for file in files if file.exists()]
