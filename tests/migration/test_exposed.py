"""`[api] schemas` of a config.toml: what is added, and that nothing else changes."""

from __future__ import annotations

import pytest

from tillroll.migrate import UsageError
from tillroll.migrate.exposed import expose

DEFAULT = '"public", "graphql_public"'
CASES = {
    "one line": (
        '[api]\nschemas = ["public", "graphql_public"] # seen\nmax_rows = 1\n',
        '[api]\nschemas = ["public", "graphql_public", "ledger"] # seen\nmax_rows = 1\n',
    ),
    "a line each": (
        '[api]\nschemas = [\n  "public", # first\n  "app" # last\n]\n',
        '[api]\nschemas = [\n  "public", # first\n  "app", "ledger" # last\n]\n',
    ),
    "a line each, with a last comma": (
        '[api]\nschemas = [\n\t"public",\n\t"app", # last\n]\n',
        '[api]\nschemas = [\n\t"public",\n\t"app", "ledger", # last\n]\n',
    ),
    "the last one beside the bracket": (
        '[api]\nschemas = ["public",\n           "app"]\n',
        '[api]\nschemas = ["public",\n           "app", "ledger"]\n',
    ),
    "literal quotes": (
        "[api]\nschemas = ['public', 'app']\n",
        "[api]\nschemas = ['public', 'app', \"ledger\"]\n",
    ),
    "an empty list": (
        "[db]\nports = [1]\n[api]\nextra_search_path = []\nschemas = [ ]\n",
        '[db]\nports = [1]\n[api]\nextra_search_path = []\nschemas = ["ledger" ]\n',
    ),
    "CRLF": (
        '[api]\r\nschemas = [\r\n  "app"\r\n]\r\nport = 1\r\n',
        '[api]\r\nschemas = [\r\n  "app", "ledger"\r\n]\r\nport = 1\r\n',
    ),
    "no key": (
        "# mine\n[api]   # the API\nport = 1\n\n# next\n[db]\n",
        f'# mine\n[api]   # the API\nschemas = [{DEFAULT}, "ledger"]\nport = 1\n\n# next\n[db]\n',
    ),
    "no key, CRLF": (
        "[api]\r\nport = 1\r\n",
        f'[api]\r\nschemas = [{DEFAULT}, "ledger"]\r\nport = 1\r\n',
    ),
    "no key, no line's end": ("[api]", f'[api]\nschemas = [{DEFAULT}, "ledger"]\n'),
    "no section": (
        'project_id = "x"',
        f'project_id = "x"\n\n[api]\nschemas = [{DEFAULT}, "ledger"]\n',
    ),
    "nothing at all": ("", f'[api]\nschemas = [{DEFAULT}, "ledger"]\n'),
    "a section below it only": (
        "[api.tls]\nenabled = false\n",
        f'[api.tls]\nenabled = false\n\n[api]\nschemas = [{DEFAULT}, "ledger"]\n',
    ),
    "an example that is commented out": (
        '[api]\n# schemas = ["public", "graphql_public"]\n[db]\n',
        f'[api]\nschemas = [{DEFAULT}, "ledger"]\n# schemas = ["public", "graphql_public"]\n[db]\n',
    ),
    "the same words elsewhere": (
        '# schemas = ["app"]\n[db]\nschemas = ["app"]\nnote = """\n[api]\nschemas = ["app"]\n"""\n'
        '[api]\nschemas = ["app"]\n[remotes.x.api]\nschemas = ["app"]\n',
        '# schemas = ["app"]\n[db]\nschemas = ["app"]\nnote = """\n[api]\nschemas = ["app"]\n"""\n'
        '[api]\nschemas = ["app", "ledger"]\n[remotes.x.api]\nschemas = ["app"]\n',
    ),
    "there already": (
        '[api]\nschemas = ["ledger",\n"public"]\n',
        '[api]\nschemas = ["ledger",\n"public"]\n',
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_schema_is_added_and_nothing_else_changes(name: str) -> None:
    before, after = CASES[name]
    assert expose(before, "ledger") == after
    assert expose(after, "ledger") == after


@pytest.mark.parametrize(
    "text",
    [
        "[api\n",
        '[api]\nschemas = "env(SCHEMAS)"\n',
        "api = 3\n",
        "[api]\nschemas = 3\n",
        "api.port = 1\n",
        'api = { schemas = "x" }\n',
        "api = { port = 1 }\n",
        '[api]\nschemas = ["app\\u006c"]\n',
    ],
)
def test_what_a_program_cannot_change_is_left_to_people(text: str) -> None:
    with pytest.raises(UsageError):
        expose(text, "ledger")
