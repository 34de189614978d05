"""All commands in one tree."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed
from typing import Annotated

import typer

from tillroll.cli import books, demo, local, migrate, postings
from tillroll.cli.output import INTERRUPTED

__all__ = ["app", "run"]

app = typer.Typer(
    name="tillroll",
    help="Double-entry money inside Supabase's Postgres.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo.demo)
app.command()(local.up)
app.command()(local.down)
app.command()(local.status)
app.add_typer(migrate.app, name="migrate")
app.add_typer(books.book_app, name="book")
app.add_typer(books.account_app, name="account")
app.command()(postings.transfer)
app.command()(postings.statement)
app.command()(postings.verify)


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(installed("tillroll"))
        raise typer.Exit


def run() -> None:
    """Run the command line of this process; Ctrl-C is 130, wherever it comes."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
