"""Faults of every kind, one after the other, to a ledger in use over HTTP and directly.

Two gateways: one answers a conflict, one repeats it for ever, as PostgREST 14 does.
"""

from __future__ import annotations

from functools import partial

from tests.reliability.faults import KINDS
from tests.reliability.load import (
    LOG,
    ServerLog,
    directly,
    log_kept,
    one_by_one,
    over_http,
    under_load,
)
from tests.reliability.proof import Run
from tests.reliability.scene import Front, Scene
from tests.reliability.stage import open_bank, stage
from tests.reliability.workload import Workload

ROUNDS = 10
BAR = 12


def run(run: Run) -> None:
    """Draw an order of the kinds, and for how long each is done, in seconds."""
    drawn = _draw(run)
    for kind, seconds in drawn:
        run.planned(f"{kind}, {seconds} s")
    with stage(LOG) as place, log_kept(run, place.server):
        bank = open_bank(place.database, accounts=8, funds=10_000)
        workload = Workload(bank, f"{run.seed}-nemesis", pause=0.3)
        uri = bank.database.dsn("authenticator")
        fronts = [Front(uri, retry_aborted=each) for each in (False, True)]
        scene = Scene(place, workload, fronts, ServerLog(place.server.log_file), run.dice)
        try:
            for front in fronts:
                front.start()
            ways = [over_http(front.url, scene.token) for front in fronts] * 3
            ways += [directly(bank.dsn())] * 3
            under_load(workload, ways, lambda: _act(run, scene, drawn, len(ways)))
        finally:
            for front in fronts:
                front.kill()
        for state, count in sorted(scene.log.counts().items()):
            run.figure(f"server said {state}", count)
        for code, count in sorted(workload.failed.items()):
            run.figure(f"customers were told {code}", count)
        said = [line for front in fronts for line in front.said if "Traceback" in line]
        run.none("exceptions that a gateway did not answer for", said)
        workload.judge(run)


def _draw(run: Run) -> list[tuple[str, float]]:
    kinds = list(KINDS)
    if run.is_long:
        drawn = [kind for _ in range(ROUNDS) for kind in run.dice.sample(kinds, len(kinds))]
        return [(kind, run.dice.choice((0.1, 0.5, 1, 3))) for kind in drawn]
    return [(kind, 0.2) for kind in run.dice.sample(kinds, BAR)]


def _act(run: Run, scene: Scene, drawn: list[tuple[str, float]], ways: int) -> None:
    faults = ((kind, partial(KINDS[kind], scene, seconds)) for kind, seconds in drawn)
    done = one_by_one(run, scene.workload, ways, faults)
    run.at_least("kinds of faults that happened", BAR, len(done))
