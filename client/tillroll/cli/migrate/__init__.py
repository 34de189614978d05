"""`tillroll migrate`: the migrations of any Supabase project."""

from __future__ import annotations

import typer

from tillroll.cli.migrate import applying, writing

__all__ = ["app"]

app = typer.Typer(
    name="migrate",
    help="Write, check, apply and watch the migrations of a Supabase project.",
    no_args_is_help=True,
    epilog="Exit: 0 done, 1 failed, 2 usage, 3 pending, 4 drift, 5 connection or pooler, "
    "6 lock contention, 7 failed and rolled back, 8 failed part-way, 9 history tampered or "
    "divergent, 10 gate failed.",
)
app.command("new")(writing.new_)
app.command("check")(writing.check_)
app.command("status")(applying.status)
app.command("up")(applying.up)
