"""Kill −9 of the whole server under load, again and again; nothing acknowledged may be gone.

This proves the protocol of the write-ahead log and the engine on it, not the disk: the kernel lives
on and keeps what Postgres has written, whether or not it was flushed. A machine that loses power,
and a disk that lies about flushing, are not shown.
"""

from __future__ import annotations

import time

from tests.reliability.load import (
    PATIENCE,
    directly,
    log_kept,
    more_answers,
    over_http,
    under_load,
)
from tests.reliability.processes import kill_all
from tests.reliability.proof import Run
from tests.reliability.stage import Stage, gateway, open_bank, stage
from tests.reliability.workload import Workload
from tests.waiting import until

KILLS, SHORT_KILLS = 200, 4
# Checkpoints come often, so that kills hit them, too.
SETTINGS = {"max_wal_size": "32MB", "min_wal_size": "32MB"}


def run(run: Run) -> None:
    """Kill the server at work after drawn numbers of answers, 0 for as soon as it is up."""
    kills = KILLS if run.is_long else SHORT_KILLS
    answers = [run.dice.choice((0, 1, 5, 20, 50, 100)) for _ in range(kills)]
    run.planned(f"kill −9 after so many answers each: {', '.join(map(str, answers))}")
    with stage(SETTINGS) as place, log_kept(run, place.server):
        bank = open_bank(place.database, accounts=8, funds=10_000)
        workload = Workload(bank, f"{run.seed}-crash", pause=0.3)
        with gateway(bank.database.dsn("authenticator")) as front:
            ways = [over_http(front.url, bank.token)] * 4 + [directly(bank.dsn())] * 4
            under_load(workload, ways, lambda: _kill(run, place, workload, answers))
        workload.judge(run)


def _kill(run: Run, place: Stage, workload: Workload, answers: list[int]) -> None:
    lost: list[str] = []
    broken: list[str] = []
    done, longest = 0, 0.0
    for number, count in enumerate(answers, 1):
        more_answers(workload, count)
        if count:
            until(lambda: not workload.bank.is_idle(), PATIENCE)
        kill_all(place.server)
        began = time.monotonic()
        place.restart()
        longest = max(longest, time.monotonic() - began)
        broken += workload.bank.broken()
        lost += workload.lost()
        done += 1
        run.happened(f"kill {number} after {len(workload.tally.keys)} answers, server back")
    run.figure("kills", done)
    run.figure("longest recovery, s", round(longest, 2))
    run.at_least("kill −9 of the server under load", KILLS, done)
    run.figure("of these as soon as it was up", answers.count(0))
    run.none("acknowledged but lost, after each kill", lost)
    run.none("broken checks of verify_book, after each kill", broken)
