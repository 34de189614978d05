"""What came of the mutants: which are killed, which survive, and which survivors are argued for."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from tests.mutants.runner import Result
from tests.mutants.sources import Mutant

ARGUED = Path(__file__).with_name("argued.toml")


@dataclass(frozen=True)
class Verdict:
    """A mutant, how its tests ended, and why it may survive, where somebody has argued so."""

    mutant: Mutant
    result: Result
    argument: str = ""

    @property
    def word(self) -> str:
        """`killed`, `argued`, `survived`, `broken`; `stale` for an argument that is refuted."""
        if self.argument and self.result.outcome != "broken":
            return "argued" if self.result.outcome == "survived" else "stale"
        return self.result.outcome

    @property
    def ok(self) -> bool:
        return self.word in ("killed", "argued")


def arguments(path: Path = ARGUED) -> dict[str, str]:
    """Why some mutants may survive, by name."""
    with path.open("rb") as file:
        argued: dict[str, str] = tomllib.load(file)
    return argued


def gone(argued: Collection[str], mutants: Sequence[Mutant]) -> list[str]:
    """Arguments about mutants that are no more."""
    return sorted(set(argued) - {mutant.name for mutant in mutants})


def table(verdicts: Sequence[Verdict]) -> Table:
    """Counts by kind."""
    words = ("killed", "argued", "survived", "stale", "broken")
    shown = Table("kind", "mutants", *words, "seconds")
    kinds = list(dict.fromkeys(verdict.mutant.kind for verdict in verdicts))
    for kind in (*kinds, "all"):
        of_kind = [each for each in verdicts if kind in ("all", each.mutant.kind)]
        counts = Counter(each.word for each in of_kind)
        seconds = sum(each.result.seconds for each in of_kind)
        numbers = (len(of_kind), *(counts[word] for word in words), round(seconds))
        shown.add_row(kind, *(f"{number:,}" if number else "" for number in numbers))
    return shown


def write(verdicts: Sequence[Verdict], about: Mapping[str, object], path: Path) -> None:
    """Keep every verdict as JSON."""
    rows = [
        {
            "name": verdict.mutant.name,
            "kind": verdict.mutant.kind,
            "verdict": verdict.word,
            **{key: value for key, value in asdict(verdict.result).items() if key != "outcome"},
        }
        for verdict in verdicts
    ]
    path.write_text(json.dumps({**about, "mutants": rows}, indent=1) + "\n")
