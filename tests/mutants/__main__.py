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
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.mutants.arena import Arena, Bout, Job, arena, load
from tests.mutants.found import mutants
from tests.mutants.paths import likely, path_of
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
    asked.add_argument("--sample", type=float, default=1.0, metavar="FRACTION", help="of mutants")
    asked.add_argument("--seed", type=int, help="of the sample; one is drawn where it is missing")
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
    """Those that are asked for; of a sample, so many of each kind, and of each at least one."""
    kinds = {mutant.kind for mutant in found}
    parts = [text for text in only if text not in kinds]
    wanted = [
        mutant
        for mutant in found
        if mutant.kind in (only or kinds - EXTRA) or any(part in mutant.name for part in parts)
    ]
    if fraction >= 1:
        return wanted
    dice, sample = random.Random(seed), set[str]()
    for kind in dict.fromkeys(mutant.kind for mutant in wanted):
        names = [mutant.name for mutant in wanted if mutant.kind == kind]
        sample |= set(dice.sample(names, max(1, round(len(names) * fraction))))
    return [mutant for mutant in wanted if mutant.name in sample]


def judge(ring: Arena, wanted: Sequence[Mutant], argued: dict[str, str]) -> list[Verdict]:
    """Run the tests of each mutant, and say what came of it."""
    by_name = {mutant.name: mutant for mutant in wanted}
    jobs = [
        Job(mutant.name, mutant.sql, [[file] for file in path_of(mutant)], likely(mutant))
        for mutant in wanted
    ]
    verdicts = []
    for job, bout in ring.run(jobs):
        verdict = Verdict(by_name[job.name], bout, argued.get(job.name, ""))
        verdicts.append(verdict)
        told = f"{verdict.word:8} {bout.seconds:6.1f} s  {job.name}"
        talk.print(told + (f"  ← {bout.killer}" if bout.killer else ""), markup=False)
        if verdict.word == "broken":
            talk.print(bout.said, markup=False)
    order = {mutant.name: number for number, mutant in enumerate(wanted)}
    return sorted(verdicts, key=lambda verdict: order[verdict.mutant.name])


def weak(ring: Arena, verdicts: Sequence[Verdict]) -> list[tuple[str, Bout]]:
    """Killers that fail, or are not found, where nothing was taken out."""
    killers = dict.fromkeys(
        verdict.bout.killer for verdict in verdicts if verdict.bout.outcome == "killed"
    )
    files = dict.fromkeys(killer.split("::")[0] for killer in killers)
    jobs = [
        Job(file, "", [[killer for killer in killers if killer.split("::")[0] == file]])
        for file in files
    ]
    return [(job.name, bout) for job, bout in ring.run(jobs) if bout.outcome != "survived"]


def main() -> None:
    """Find, run, print, keep."""
    asked = options()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    found, argued = mutants(), arguments()
    wanted = chosen(found, asked.only, asked.sample, seed)
    if asked.list:
        print("\n".join(mutant.name for mutant in wanted))
        return
    if not wanted:
        raise SystemExit("no mutant has such a name")
    talk.print(f"{len(wanted):,} of {len(found):,} mutants, seed {seed}")
    began = time.monotonic()
    load(list(dict.fromkeys(test for mutant in wanted for test in path_of(mutant))))
    with arena(asked.jobs) as ring:
        verdicts = judge(ring, wanted, argued)
        unsure = weak(ring, verdicts)
    took = time.monotonic() - began

    Console(width=100).print(table(verdicts))
    for verdict in verdicts:
        if not verdict.ok:
            print(f"{verdict.word}: {verdict.mutant.name} {verdict.bout.killer}".rstrip())
    for name, bout in unsure:
        print(f"fails without a mutant: {bout.killer or name}\n{bout.said}")
    past = gone(argued, found)
    for name in past:
        print(f"argued, but there is no such mutant: {name}")
    print(f"{len(verdicts):,} mutants in {took:,.0f} s, seed {seed}")
    if asked.json:
        on = datetime.now(UTC).date().isoformat()
        write(verdicts, {"on": on, "seed": seed, "jobs": asked.jobs, "seconds": took}, asked.json)
    failed = past or unsure or not all(verdict.ok for verdict in verdicts)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
