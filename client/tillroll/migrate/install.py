"""Put a package's migrations into a Supabase project, and later what a newer release adds."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tillroll.migrate import history
from tillroll.migrate.disk import write_all
from tillroll.migrate.errors import UsageError
from tillroll.migrate.exposed import expose
from tillroll.migrate.files import next_version, read_sql
from tillroll.migrate.installed import Found, Lock, Release, Released, look, names_made
from tillroll.migrate.parser import Name

__all__ = ["InstallResult", "InstalledFile", "Release", "install"]

_UNTRANSACTED = "-- pg-delta: transaction=false\n"  # counts in the first line only
_IN_DATABASE = """
    select x.kind, x.schema, x.name
    from unnest(%s::text[], %s::text[], %s::text[]) as x (kind, schema, name)
    inner join pg_catalog.pg_namespace as n on n.nspname = x.schema
    where case x.kind
        when 'schema' then true
        when 'routine' then exists (
            select from pg_catalog.pg_proc as p
            where p.pronamespace = n.oid and p.proname = x.name
        )
        else exists (
            select from pg_catalog.pg_class as c
            where c.relnamespace = n.oid and c.relname = x.name
        ) or exists (
            select from pg_catalog.pg_type as t
            where t.typnamespace = n.oid and t.typname = x.name
        )
    end
"""


@dataclass(frozen=True)
class InstalledFile:
    """A migration of the package in the project.

    Attributes:
        source: Its name in the package.
        path: Below the project, with slashes.
        new: Whether this run writes it.
    """

    source: str
    path: str
    new: bool


@dataclass(frozen=True)
class InstallResult:
    """What was written, or would be.

    Attributes:
        package: Whose migrations these are.
        release: Of the package.
        files: All of its migrations, in their order.
        written: Every path that was written, below the project, with slashes; none where all was
            there already.
        config: The change of supabase/config.toml as a unified diff; empty where there is none.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
        dry_run: Whether nothing was written, on demand.
    """

    package: str
    release: str
    files: tuple[InstalledFile, ...]
    written: tuple[str, ...]
    config: str
    ignored: tuple[str, ...]
    dry_run: bool


def install(
    project: Path,
    release: Release,
    *,
    db_url: str | None = None,
    now: datetime | None = None,
    dry_run: bool = False,
) -> InstallResult:
    """Write what of a release is not in a project yet: all of it, or nothing.

    Args:
        project: Holds `supabase/config.toml`.
        release: What shall be there.
        db_url: Of the project's database, if names and versions shall be looked for there too;
            it is only read.
        now: In UTC, for the versions.
        dry_run: Write nothing.

    Raises:
        UsageError: This is no Supabase project, a file cannot be read or written, a name is taken,
            no later version can be had, or the project has a newer release.
        HistoryDivergent: A file of the package was edited, removed or put into another order.
        ConnectionFailed: The database cannot be reached.
    """
    supabase = project / "supabase"
    folder = supabase / "migrations"
    config = supabase / "config.toml"
    lock_file = supabase / f"{release.package}.lock.json"
    if not config.is_file():
        raise UsageError(
            f"{project} is no Supabase project, it has no supabase/config.toml: "
            "name the project's folder, or make one with `supabase init`"
        )
    if folder.resolve() == release.folder.resolve():
        raise UsageError(f"{project} is where {release.package} itself is made")
    released = release.files()
    lock = Lock.read(lock_file)
    found = look(folder, release, released, lock.files if lock else {})
    fresh = {source: each for source, each in released.items() if source not in found.installed}
    versions = found.versions | _refuse_taken(release, fresh.values(), found, db_url)
    new = _named(folder, release, fresh, versions, now)
    contents = {path: _text(release, fresh[source]) for source, path in new.items()}
    hashes = {source: each.content.sha256 for source, each in released.items()}
    record = Lock(release.version, hashes)
    if lock != record:
        contents[lock_file] = record.text().encode()
    before = read_sql(config)
    after = expose(before, release.schemas)
    if after != before:
        mark = config.read_bytes().removesuffix(before.encode())  # of the byte order, if any
        contents[config] = mark + after.encode()
    if not dry_run:
        try:
            write_all(contents)
        except OSError as error:
            raise UsageError(f"the project cannot be written, and is as it was: {error}") from error

    def name(path: Path) -> str:
        return path.relative_to(project).as_posix()

    places = {**found.installed, **new}
    diff = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name(config), name(config), lineterm=""
    )
    return InstallResult(
        release.package,
        release.version,
        tuple(InstalledFile(each, name(places[each]), each in new) for each in released),
        tuple(map(name, contents)),
        "\n".join(diff),
        found.ignored,
        dry_run,
    )


def _refuse_taken(
    release: Release, fresh: Collection[Released], found: Found, db_url: str | None
) -> frozenset[str]:
    """Refuse where a name is taken that a new file needs; return the database's versions."""
    statements = (statement for each in fresh for statement in each.content.statements)
    wanted = names_made(statements) - found.ours
    applied: frozenset[str] = frozenset()
    taken = {
        name: file
        for name, file in found.held.items()
        if name in wanted or Name("schema", name.schema) in wanted
    }
    if db_url is not None:
        with history.connect(db_url) as conn, history.access():
            applied = history.read(conn)
            asked = [
                [getattr(name, each) for name in wanted] for each in ("kind", "schema", "name")
            ]
            for row in conn.execute(_IN_DATABASE, asked):
                taken.setdefault(Name(*row), "the database")
    if taken:
        raise UsageError(
            f"names that {release.package} needs are taken:\n  "
            + "\n  ".join(f"{name}, by {taken[name]}" for name in sorted(taken))
            + "\nNothing was written. Rename or drop them in a migration of your own, apply it, "
            "and run this again."
        )
    return applied


def _named(
    folder: Path,
    release: Release,
    fresh: Mapping[str, Released],
    versions: Collection[str],
    now: datetime | None,
) -> dict[str, Path]:
    """Give each new file a version after every other."""
    last = first = max((each for each in versions if len(each) == 14), default="")
    paths: dict[str, Path] = {}
    for source, each in fresh.items():
        last = next_version(last, now)
        paths[source] = folder / f"{last}_{release.package}_{each.file.name}.sql"
    late = [each for each in versions if paths and each > next_version(first, now)]
    if late:
        raise UsageError(
            f"the Supabase CLI sorts versions as text, so nothing can come after {max(late)}: "
            "give that file a version of 14 digits. Nothing was written."
        )
    return paths


def _text(release: Release, each: Released) -> bytes:
    """Return a file as it is installed: comments of ours, then what was released, to the byte."""
    top = "" if each.content.transactional else _UNTRANSACTED
    return (top + release.header(each.file.path.name)).encode() + each.file.path.read_bytes()
