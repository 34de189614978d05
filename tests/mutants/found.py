"""All mutants of the sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from tests.mutants import declared
from tests.mutants.bodies import of_body
from tests.mutants.sources import Mutant, Source, files, read

Finder = Callable[[Source], Iterator[Mutant]]

_FINDERS: Mapping[str, tuple[Finder, ...]] = {
    "create_function_stmt": (of_body, declared.of_function),
    "view_stmt": (declared.of_view,),
    "create_stmt": (declared.of_table,),
    "create_domain_stmt": (declared.of_domain,),
    "index_stmt": (declared.of_index,),
    "create_trig_stmt": (declared.of_trigger,),
    "create_policy_stmt": (declared.of_policy,),
    "alter_table_stmt": (declared.of_row_security,),
}


def mutants() -> list[Mutant]:
    """Every mutant, in the order of the files; names are unique."""
    found = [mutant for path in files() for mutant in of_file(read(path))]
    assert len({mutant.name for mutant in found}) == len(found), "two mutants of one name"
    return found


def of_file(sources: Iterable[Source]) -> Iterator[Mutant]:
    """The mutants of the statements of one file."""
    statements = list(sources)
    grants = [source for source in statements if source.kind == "grant_stmt"]
    granted = {
        each.role_spec.rolename
        for source in grants
        if source.node.is_grant
        for each in source.node.grantees
    }
    for source in statements:
        yield from chain.from_iterable(find(source) for find in _FINDERS.get(source.kind, ()))
    for source in grants:
        yield from declared.of_privileges(source, granted)
