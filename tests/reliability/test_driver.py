"""The long form itself, with tiny parts: what it repeats, skips, survives and says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.reliability import record
from tests.reliability.__main__ import INTERRUPTED, main
from tests.reliability.parts import PARTS, Listed
from tests.reliability.proof import Part, Run


def fair(run: Run) -> None:
    """Draw three steps, and hold."""
    for _ in range(3):
        run.planned(f"wait {run.dice.randrange(1_000_000)}")
    run.happened("waited")
    run.none("left over", [])


def failing(run: Run) -> None:
    run.none("lost", ["a key"])


def raising(run: Run) -> None:
    run.none("left over", [])
    raise RuntimeError("no server")


def silent(run: Run) -> None:
    """Check nothing."""


def listed(*parts: Part) -> list[Listed]:
    """Parts by the names of their functions."""
    return [Listed(part.__name__, f"the part {part.__name__}", part) for part in parts]


def run_in(folder: Path, parts: Sequence[Listed], *more: str, seed: int = 7) -> int:
    """The exit code of a run that keeps its records there."""
    return main(["--seed", str(seed), "--folder", str(folder), *more], parts)


def plan_of(folder: Path) -> list[str]:
    return list(record.read(folder / "fair.json").plan)


def test_a_seed_repeats_the_plan_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        assert run_in(tmp_path / name, listed(fair), seed=seed) == 0
    assert plan_of(tmp_path / "a") == plan_of(tmp_path / "b") != plan_of(tmp_path / "c")


def test_a_part_draws_the_same_whether_or_not_others_run_before_it(tmp_path: Path) -> None:
    run_in(tmp_path / "alone", listed(silent, fair), "--only", "fair")
    run_in(tmp_path / "both", listed(silent, fair))
    assert plan_of(tmp_path / "alone") == plan_of(tmp_path / "both")


def test_without_a_seed_one_is_drawn_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path)], listed(fair)) == 0
    drawn = record.read(tmp_path / "fair.json").seed
    assert f"seed {drawn}, long form" in capsys.readouterr().err


def test_what_is_finished_is_skipped_unless_it_shall_run_again(tmp_path: Path) -> None:
    ran: list[str] = []

    def counted(run: Run) -> None:
        ran.append(run.size)
        run.none("left over", [])

    for more in ([], [], ["--again"], ["--short"], ["--short"]):
        assert run_in(tmp_path, listed(counted), *more) == 0
    assert ran == ["long", "long", "short"]
    run_in(tmp_path, listed(counted), "--short", seed=8)
    assert len(ran) == 4


@pytest.mark.parametrize("bad", [failing, raising, silent])
def test_a_part_that_fails_fails_the_run_and_the_others_go_on(tmp_path: Path, bad: Part) -> None:
    parts = listed(bad, fair)
    assert run_in(tmp_path, parts) == 1
    assert [r.ok for r in record.read_all(tmp_path, parts)] == [False, True]
    # Finished is finished: starting again does not make it better.
    assert run_in(tmp_path, parts, "--only", "fair") == 1


def test_a_skip_is_a_failure_for_what_is_skipped_is_not_shown(tmp_path: Path) -> None:
    def skipping(run: Run) -> None:
        run.none("left over", [])
        pytest.skip("no Postgres 17")

    try:
        code = run_in(tmp_path, listed(skipping))
    except pytest.skip.Exception:
        pytest.fail("it was skipped")
    assert code == 1


def test_an_interrupted_run_keeps_what_was_finished_and_goes_on_there(tmp_path: Path) -> None:
    broken = [True]

    def interrupted(run: Run) -> None:
        if broken:
            raise KeyboardInterrupt
        run.none("left over", [])

    parts = listed(fair, interrupted)
    assert run_in(tmp_path, parts) == INTERRUPTED
    [kept] = record.read_all(tmp_path, parts)
    assert kept.part == "fair"
    broken.clear()
    assert run_in(tmp_path, parts) == 0
    assert record.read_all(tmp_path, parts)[0] == kept


def test_a_record_says_what_ran_on_what(tmp_path: Path) -> None:
    def keeping(run: Run) -> None:
        (run.folder / "history.edn").write_text("{}")
        run.figure("orders", 3)
        run.none("left over", [])

    run_in(tmp_path, listed(keeping))
    told = json.loads((tmp_path / "keeping.json").read_text())
    assert told["figures"] == {"orders": 3}
    assert told["files"] == ["history.edn"]
    assert {"cpus", "memory", "kernel", "Postgres", "tillroll", "commit"} <= told["machine"].keys()


def test_every_part_has_a_module_with_a_short_form_among_the_tests() -> None:
    folder = Path(__file__).parent
    for part in PARTS:
        assert (folder / f"{part.name}.py").exists(), part.name
        assert (folder / f"test_{part.name}.py").exists(), part.name
