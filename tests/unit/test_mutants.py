"""The tool that takes guards out: what it finds in a text, and what it makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import postgast
import pytest

from tests.conftest import ROOT
from tests.mutants.__main__ import chosen
from tests.mutants.found import mutants, of_file
from tests.mutants.paths import path_of, reaching
from tests.mutants.runner import Result
from tests.mutants.sources import Mutant, cut
from tests.mutants.verdicts import Verdict, arguments, gone

HEAD = """
create or replace function ledger_private.f(id uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
"""


def found(text: str, file: str = "functions/ledger_private/f.sql") -> dict[str, str]:
    """What was taken out, and the SQL of it."""
    return {
        mutant.name.removeprefix(f"{file}: "): mutant.sql for mutant in of_file(cut(text, file))
    }


def bodies(body: str) -> dict[str, str]:
    """Of a body, what was taken out, and the body without it."""
    text = found(f"{HEAD}{body}$$;")
    return {
        what: sql.split("$$")[1].strip()
        for what, sql in text.items()
        if sql.startswith("create or replace")
    }


def test_a_lock_clause_and_its_order_are_taken_out_and_nothing_in_a_string_or_comment() -> None:
    rows = "perform from t order by t.a, lower(t.b) for no key update"
    made = bodies(f"begin -- for update\n raise notice 'for update, order by a'; {rows}; end;")
    without = {
        what: re.sub(r".*'; (.*); end;", r"\1", sql, flags=re.S) for what, sql in made.items()
    }
    assert without == {
        "lock clause 1": "perform from t order by t.a, lower(t.b) ",
        "order of lock 1": "perform from t  for no key update",
        "reversed order of lock 1": (
            "perform from t order by t.a desc, lower(t.b) desc for no key update"
        ),
    }


def test_an_order_that_is_of_no_lock_stays() -> None:
    body = "begin perform from (select a from t order by a) as x for update; end;"
    assert set(bodies(body)) == {"lock clause 1"}


@pytest.mark.parametrize(
    ("body", "what", "left"),
    [
        ("perform from t for share nowait", "nowait of lock clause 1", "perform from t for share "),
        ("perform pg_advisory_xact_lock(f(a), 1)", "advisory lock 1", "perform true"),
        ("v := pg_try_advisory_xact_lock_shared(a)", "advisory lock 1", "v := true"),
        ("lock table t in share mode", "lock of a table 1", "null"),
        (
            "perform ledger_private.enter_book(a, exclusive => f(a, b) > 0, c => d)",
            "exclusive lock of the book 1",
            "perform ledger_private.enter_book(a, exclusive => false, c => d)",
        ),
        ("perform ledger_private.lock_hold(f(a))", "call of lock_hold 1", "perform true"),
        ("perform ledger_private.check_it(f(a))", "call of check_it 1", "perform true"),
        ("update s.t as x set a = x.a where x.b", "write that changes nothing 1", "null"),
        (
            "if case when a then b end then raise 'no'; end if",
            "guard 1",
            "if false then raise 'no'; end if",
        ),
        (
            "v := case when a = 1 then 'busy' when b then 'other' end",
            "case of busy 1",
            "v := case when false then 'busy' when b then 'other' end",
        ),
    ],
)
def test_what_is_taken_out_of_a_body(body: str, what: str, left: str) -> None:
    made = bodies(f"begin {body}; end;")
    assert made[what] == f"begin {left}; end;"


def test_a_write_and_a_condition_that_do_something_stay() -> None:
    body = "update s.t as x set a = f.a where x.b; if a then b := 1; end if;"
    assert bodies(f"begin {body} end;") == {}


def test_attributes_of_a_function() -> None:
    assert found(f"{HEAD} begin end; $$;") == {
        "volatile": "alter function ledger_private.f stable",
        "security definer": "alter function ledger_private.f security invoker",
        "setting search_path": "alter function ledger_private.f reset search_path",
        "setting lock_timeout": "alter function ledger_private.f reset lock_timeout",
    }


def test_constraints_of_a_table() -> None:
    made = found(
        """
        create table s.t (
            a uuid not null, b text not null, c text,
            constraint t_pkey primary key (a), constraint t_b_key unique (b, c),
            constraint t_b check (b > 'a'), constraint t_fkey foreign key (a) references s.u (a)
        );
        create unique index t_idx on s.t (b) where c is null;
        create index t_plain on s.t (c);
        """,
        "sql/s/t.sql",
    )
    assert made["unique t_pkey"].startswith("alter table s.t drop constraint t_pkey cascade;")
    assert made["unique t_idx"].startswith("drop index s.t_idx; CREATE INDEX t_idx ")
    assert made["check t_b"] == "alter table s.t drop constraint t_b"
    assert set(made) == {
        *("unique t_pkey", "unique t_b_key", "unique t_idx", "check t_b", "foreign key t_fkey"),
        "not null of b",
    }


def test_a_trigger_loses_each_of_its_events_columns_and_its_condition() -> None:
    made = found(
        "create trigger x before delete or update of a, b on s.t"
        " for each row when (old.a > 1) execute function s.f();",
        "sql/s/t.sql",
    )
    after = {what: sql.partition("; ")[2] for what, sql in made.items()}
    assert after.pop("trigger x") == ""
    assert " BEFORE UPDATE OF a, b " in after.pop("trigger x, delete")
    assert " BEFORE DELETE ON " in after.pop("trigger x, update")
    assert "UPDATE OF b " in after.pop("trigger x, update of a")
    assert "UPDATE OF a " in after.pop("trigger x, update of b")
    assert "WHEN" not in after.pop("trigger x, its condition")
    assert after == {}


def test_a_policy_is_dropped_opened_and_loses_each_part() -> None:
    text = "create policy p on s.t for select to r using (a = 1 and (b = 2 or c = 3));"
    made = found(text, "sql/s/t.sql")
    parts = {sql.rpartition("USING ")[2] for what, sql in made.items() if "part" in what}
    assert parts == {"((b = 2 OR c = 3))", "(a = 1)", "(a = 1 AND (c = 3))", "(a = 1 AND (b = 2))"}
    assert made["policy p"] == "drop policy p on s.t"
    assert made["policy p, true"] == "alter policy p on s.t using (true)"
    assert len(made) == 6
    assert set(found(text.replace(text[text.index("(a") :], "(true);"))) == {"policy p"}


def test_privileges_are_taken_and_left_role_by_role() -> None:
    text = "revoke all on function s.f from public, anon, r; grant execute on function s.f to r;"
    assert found(text, "functions/s/f.sql") == {
        "revoke from public": "grant all on function s.f to public",
        "revoke from anon": "grant all on function s.f to anon",
        "grant to r": "revoke all on function s.f from r",
    }
    table = found("revoke all on table s.t from r; grant select on table s.t to r;")
    assert table["revoke from r"] == "grant all on table s.t to r"


def test_of_the_sources_there_are_many_each_with_a_name_of_its_own_and_sql_that_parses() -> None:
    all_of_them = mutants()
    assert len(all_of_them) > 1000
    for mutant in all_of_them:
        postgast.parse(mutant.sql)
        assert (ROOT / mutant.name.split(": ")[0]).exists()
    assert all_of_them == mutants()


def test_every_lock_of_the_engine_is_found() -> None:
    clauses = "".join(path.read_text() for path in (ROOT / "functions").rglob("*.sql"))
    written = re.findall(r"(?m)^ *for (no key )?update|[^-]* for share;", clauses)
    names = [mutant.name for mutant in mutants()]
    assert len([name for name in names if ": lock clause" in name]) == len(written)


def test_a_mutant_is_seen_by_the_tests_of_what_reaches_it() -> None:
    graph = {"c": {"b", "d"}, "b": {"a", "c"}, "a": set()}
    assert reaching(graph, "c") == ["c", "b", "d", "a"]
    lock = Mutant("x", "guard", "ledger_private.lock_hold", "select")
    tests = path_of(lock)
    assert tests.index("tests/integration/ledger/test_capture_hold.py") < 3
    assert all((ROOT / test).exists() for test in tests)
    assert len(tests) == len(set(tests))


def test_a_sample_is_repeated_by_its_seed_and_has_some_of_each_kind() -> None:
    found = [Mutant(f"{kind} {n}", kind, "t", "") for kind in ("a", "b") for n in range(50)]
    sample = chosen([*found, Mutant("c", "c", "t", "")], [], 0.1, 7)
    assert sample == chosen([*found, Mutant("c", "c", "t", "")], [], 0.1, 7)
    assert [mutant.kind for mutant in sample] == ["a"] * 5 + ["b"] * 5 + ["c"]
    assert chosen(found, ["a"], 1, 7) == found[:50]
    assert chosen(found, ["b 7"], 1, 7) == [found[57]]
    guard = Mutant("g", "guard", "t", "")
    assert chosen([*found, guard], [], 1, 7) == found
    assert chosen([*found, guard], ["guard"], 1, 7) == [guard]


def test_samples_of_seeds_that_follow_each_other_leave_nothing_out() -> None:
    found = [Mutant(f"{kind} {n}", kind, "t", "") for kind in ("a", "b") for n in range(47)]
    for seed in (-3, 0, 10**9):
        samples = [chosen(found, [], 0.1, number) for number in range(seed, seed + 10)]
        assert {mutant for sample in samples for mutant in sample} == set(found)
        assert {len(sample) for sample in samples} == {10}


@pytest.mark.parametrize(
    ("outcome", "argument", "word", "ok"),
    [
        ("killed", "", "killed", True),
        ("survived", "", "survived", False),
        ("survived", "It cannot be seen.", "argued", True),
        ("killed", "It cannot be seen.", "stale", False),
        ("broken", "It cannot be seen.", "broken", False),
    ],
)
def test_a_survivor_has_to_be_argued_for_and_an_argument_to_hold(
    outcome: str, argument: str, word: str, ok: bool
) -> None:
    result = Result(outcome, "", 1, 0.1)  # type: ignore[arg-type]
    verdict = Verdict(Mutant("x", "lock", "t", ""), result, argument)
    assert (verdict.word, verdict.ok) == (word, ok)


def test_every_argument_is_a_sentence_about_a_mutant_that_there_is(tmp_path: Path) -> None:
    argued = arguments()
    assert gone(argued, mutants()) == []
    for sentence in argued.values():
        assert re.fullmatch(r"[A-Z].{20,}\.", sentence), sentence
    file = tmp_path / "argued.toml"
    file.write_text('"sql/x.sql: check y" = "There is no such file."\n')
    assert gone(arguments(file), mutants()) == ["sql/x.sql: check y"]
