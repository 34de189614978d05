"""Put a package's migrations into a Supabase project, and later what a newer release adds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tillroll.migrate.disk import write_all
from tillroll.migrate.errors import UsageError
from tillroll.migrate.exposed import expose
from tillroll.migrate.files import Content, next_version, read_sql
from tillroll.migrate.installed import Found, Release, look
from tillroll.migrate.parser import Name, names

__all__ = ["InstallResult", "InstalledFile", "Release", "install"]

_UNTRANSACTED = "-- pg-delta: transaction=false\n"  # counts in the first line only


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
    project: Path, release: Release, *, now: datetime | None = None, dry_run: bool = False
) -> InstallResult:
    """Write what of a release is not in a project yet: all of it, or nothing.

    Args:
        project: Holds `supabase/config.toml`.
        release: What shall be there.
        now: In UTC, for the versions.
        dry_run: Write nothing.

    Raises:
        UsageError: This is no Supabase project, a file cannot be read or written, a name is taken,
            no later version can be had, or the project has a newer release.
        HistoryDivergent: A file of the package was edited, removed or put into another order.
    """
    folder = project / "supabase" / "migrations"
    config = project / "supabase" / "config.toml"
    if not config.is_file():
        raise UsageError(
            f"{project} is no Supabase project, it has no supabase/config.toml: "
            "name the project's folder, or make one with `supabase init`"
        )
    if folder.resolve() == release.folder.resolve():
        raise UsageError(f"{project} is where {release.package} itself is made")
    released = release.files()
    found = look(folder, release, released)
    fresh = {source: each for source, each in released.items() if source not in found.installed}
    _refuse_taken(release, fresh.values(), found)
    places, contents = {**found.installed}, {}
    version = found.newest
    for source, each in fresh.items():
        version = next_version(version, now)
        _, _, name = source.partition("_")
        places[source] = folder / f"{version}_{release.package}_{name}"
        # Comments of ours, then what was released, to the byte.
        top = ("" if each.transactional else _UNTRANSACTED) + release.header(source)
        contents[places[source]] = top.encode() + (release.folder / source).read_bytes()
    before = after = read_sql(config)
    for schema in release.schemas:
        after = expose(after, schema)
    if after != before:
        mark = config.read_bytes().removesuffix(before.encode())  # of the byte order, if any
        contents[config] = mark + after.encode()
    if not dry_run:
        try:
            write_all(contents)
        except OSError as error:
            raise UsageError(f"the project cannot be written, and is as it was: {error}") from error

    def shown(path: Path) -> str:
        return path.relative_to(project).as_posix()

    diff = difflib.unified_diff(
        before.splitlines(), after.splitlines(), shown(config), shown(config), lineterm=""
    )
    return InstallResult(
        release.package,
        release.version,
        tuple(InstalledFile(each, shown(places[each]), each in fresh) for each in released),
        tuple(map(shown, contents)),
        "\n".join(diff),
        found.ignored,
        dry_run,
    )


def _refuse_taken(release: Release, fresh: Iterable[Content], found: Found) -> None:
    """Refuse where a migration of the project holds a name that a new file needs."""
    statements = [statement for each in fresh for statement in each.statements]
    wanted = {name for statement in statements for name in names(statement)[0]}
    ours = {path.name for path in found.installed.values()}
    taken = [
        f"{name}, by {file}"
        for name, file in sorted(found.held.items())
        if file not in ours and (name in wanted or Name("schema", name.schema) in wanted)
    ]
    if taken:
        raise UsageError(
            f"names that {release.package} needs are taken:\n  "
            + "\n  ".join(taken)
            + "\nNothing was written. Rename or drop them in a migration of your own, apply it, "
            "and run this again."
        )
