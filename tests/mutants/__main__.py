"""Take out each guard of the schema in turn, and see a test of that object's path fail.

    make mutants             or: python -m tests.mutants [--sample 0.1 --seed N] [--only TEXT] …

A mutant that no test notices fails the run, unless tests/mutants/argued.toml says why it cannot be
noticed. So does an argument that a test refutes, one about nothing, and a killer that also fails
where nothing was taken out.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.mutants.found import mutants
from tests.mutants.paths import likely, path_of
from tests.mutants.runner import Job, Result, Runner, load, runner
from tests.mutants.sources import Mutant
from tests.mutants.verdicts import Verdict, arguments, gone, table, write

EXTRA = {"guard"}
"""Kinds that are run only when they are named: they take hours."""
talk = Console(stderr=True, highlight=False, soft_wrap=True)


def options() -> argparse.Namespace:
    """What was asked for."""
    asked = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=(__doc__ or "").splitlines()[0]
    )
    asked.add_argument(
        "--sample",
        type=float,
        default=1.0,
        metavar="FRACTION",
        help="so many of each kind, and none that is argued for: it runs every test of its path",
    )
    asked.add_argument(
        "--seed",
        type=int,
        help="which sample, any integer; those that follow each other take every mutant in turn"
        " (drawn where it is missing)",
    )
    asked.add_argument(
        "--only", nargs="+", default=[], metavar="TEXT", help="a kind, or what is in the name"
    )
    asked.add_argument("--jobs", type=int, default=2, help="servers, each with a mutant at a time")
    asked.add_argument("--json", type=Path, metavar="FILE", help="keep every verdict")
    asked.add_argument("--list", action="store_true", help="print the names, run nothing")
    return asked.parse_args()


def chosen(
    found: Sequence[Mutant], only: Sequence[str], fraction: float, seed: int
) -> list[Mutant]:
    """Those that are asked for; of a sample, so many of each kind, and of each at least one.

    Of each kind the seed counts samples along one shuffled row, round and round: so seeds that
    follow each other, as the numbers of commits do, leave nothing out.
    """
    kinds = dict.fromkeys(mutant.kind for mutant in found)
    parts = [text for text in only if text not in kinds]
    wanted = [
        mutant
        for mutant in found
        if mutant.kind in (only or kinds.keys() - EXTRA)
        or any(part in mutant.name for part in parts)
    ]
    sample = set[str]()
    for kind in kinds:
        names = [mutant.name for mutant in wanted if mutant.kind == kind]
        random.Random(kind).shuffle(names)
        size = min(len(names), max(1, round(len(names) * fraction)))
        sample |= {names[(seed * size + step) % len(names)] for step in range(size)}
    return [mutant for mutant in wanted if mutant.name in sample]


def judge(running: Runner, wanted: Sequence[Mutant], argued: Mapping[str, str]) -> list[Verdict]:
    """Run the tests of each mutant, and say what came of it."""
    mutant_of = {mutant.name: mutant for mutant in wanted}
    jobs = [
        Job(mutant.name, mutant.sql, [[file] for file in path_of(mutant)], likely(mutant))
        for mutant in wanted
    ]
    verdicts = dict[str, Verdict]()
    for job, result in running.run(jobs):
        verdict = Verdict(mutant_of[job.name], result, argued.get(job.name, ""))
        verdicts[job.name] = verdict
        told = f"{verdict.word:8} {result.seconds:6.1f} s  {job.name}"
        talk.print(told + (f"  ← {result.killer}" if result.killer else ""), markup=False)
        if verdict.word == "broken":
            talk.print(result.said, markup=False)
    return [verdicts[mutant.name] for mutant in wanted]


def false_killers(running: Runner, verdicts: Sequence[Verdict]) -> list[tuple[str, Result]]:
    """Killers that fail, or are not found, where nothing was taken out; by file."""
    killers = dict.fromkeys(
        verdict.result.killer for verdict in verdicts if verdict.result.outcome == "killed"
    )
    by_file: dict[str, list[str]] = {}
    for killer in killers:
        by_file.setdefault(killer.split("::")[0], []).append(killer)
    jobs = [Job(file, "", [tests]) for file, tests in by_file.items()]
    return [(job.name, result) for job, result in running.run(jobs) if result.outcome != "survived"]


def main() -> None:
    """Find, run, print, keep."""
    asked = options()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    found, argued = mutants(), arguments()
    drawn = [mutant for mutant in found if asked.sample >= 1 or mutant.name not in argued]
    wanted = chosen(drawn, asked.only, asked.sample, seed)
    if asked.list:
        print("\n".join(mutant.name for mutant in wanted))
        return
    if not wanted:
        raise SystemExit("no mutant has such a name")
    talk.print(f"{len(wanted):,} of {len(found):,} mutants, seed {seed}")
    began = time.monotonic()
    load(list(dict.fromkeys(test for mutant in wanted for test in path_of(mutant))))
    with runner(asked.jobs) as running:
        verdicts = judge(running, wanted, argued)
        false = false_killers(running, verdicts)
    took = time.monotonic() - began

    Console(width=100).print(table(verdicts))
    for verdict in verdicts:
        if not verdict.ok:
            print(f"{verdict.word}: {verdict.mutant.name} {verdict.result.killer}".rstrip())
    for file, result in false:
        print(f"fails without a mutant: {result.killer or file}\n{result.said}")
    past = gone(argued, found)
    for name in past:
        print(f"argued, but there is no such mutant: {name}")
    print(f"{len(verdicts):,} mutants in {took:,.0f} s, seed {seed}")
    if asked.json:
        on = datetime.now(UTC).date().isoformat()
        write(verdicts, {"on": on, "seed": seed, "jobs": asked.jobs, "seconds": took}, asked.json)
    failed = past or false or not all(verdict.ok for verdict in verdicts)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
