"""All commands in one tree."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version as installed
from typing import Annotated

import typer

from tillroll.cli import (
    batches,
    books,
    demo,
    holds,
    install,
    local,
    migrate,
    postings,
    proofs,
    races,
    reports,
    rules,
)
from tillroll.cli.output import INTERRUPTED, write_error

__all__ = ["app", "run"]

app = typer.Typer(
    name="tillroll",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain: paragraphs are wrapped to the terminal
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(local.up)
app.command()(local.down)
app.command()(local.status)
app.add_typer(races.app, name="races")
app.add_typer(migrate.app, name="migrate")
app.command("install")(install.install_)
app.add_typer(books.book_app, name="book")
app.add_typer(books.account_app, name="account")
app.add_typer(rules.holder_app, name="holders")
app.add_typer(rules.group_app, name="groups")
app.add_typer(rules.period_app, name="periods")
app.command()(postings.transfer)
app.command()(postings.post)
app.command()(batches.batch)
app.command()(postings.exchange)
app.command()(postings.reverse)
app.add_typer(holds.app, name="hold")
app.command()(postings.close)
app.command()(reports.balance)
app.command()(reports.trial_balance)
app.command()(reports.statement)
app.command()(reports.changes)
app.command()(proofs.verify)
app.command()(proofs.export)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed("tillroll"))
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Double-entry money inside Supabase's Postgres."""


def run() -> None:
    """Run the command line of this process; Ctrl-C is 130, wherever it comes."""
    # A proxy that the environment names is for other machines: not for the stack, nor its keys.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1,localhost,::1")))
    # What it warns of is an error that somebody is told of anyway, in our words.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        # Of an option that is none, typer tells on stderr only.
        told = getattr(end.__context__, "format_message", None)
        if told is not None and "--json" in sys.argv:
            write_error("usage", told())
        raise
