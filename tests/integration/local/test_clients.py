"""The official clients, unmodified, against the stack: what they call is what is served."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from supabase import AuthApiError, AuthWeakPasswordError, Client, create_client
from tests.conftest import NPM, missing

from tillroll.local.stack import StackInfo

PASSWORD = "correct horse"
SCRIPT = """
globalThis.WebSocket ??= class {};  // Node 20 has none, and the client wants one to be there
const { createClient } = require('@supabase/supabase-js');
const [url, key, email, password] = process.argv.slice(2);
const told = {};
const note = (name, { data, error }) => {
  told[name] = error ? error.code : (data?.user?.email ?? data?.id ?? true);
  return data;
};
(async () => {
  const client = createClient(url, key);
  note('sign up', await client.auth.signUp({ email, password, options: { data: { cat: 'Tom' } } }));
  note('twice', await client.auth.signUp({ email, password }));
  note('weak', await client.auth.signUp({ email: 'x' + email, password: 'short' }));
  note('wrong', await client.auth.signInWithPassword({ email, password: password + '!' }));
  const { session } = note('sign in', await client.auth.signInWithPassword({ email, password }));
  const refreshed = note('refresh', await client.auth.refreshSession());
  told.rotated = refreshed.session.refresh_token !== session.refresh_token;
  note('user', await client.auth.getUser());
  const { data } = await client.auth.getClaims();
  told.claims = [data.claims.role, data.claims.user_metadata.cat];
  note('update', await client.auth.updateUser({ data: { cat: 'Tim' } }));
  const name = 'Home';
  const book = await client.schema('ledger').rpc('create_book', { name, base_currency: 'EUR' });
  told.book = book.error ? book.error : book.data.name;
  const token = (await client.auth.getSession()).data.session.access_token;
  note('sign out', await client.auth.signOut());
  told.after = (await client.auth.getUser(token)).error.name;
  const anon = await client.schema('ledger').rpc('create_book', { name, base_currency: 'EUR' });
  told.anon = anon.status;
  console.log(JSON.stringify(told));
  process.exit(0);
})();
"""


@pytest.mark.filterwarnings("ignore:The '.*' parameter is deprecated:DeprecationWarning")
def test_supabase_py_signs_up_in_and_out(stack: StackInfo, email: str) -> None:
    client = create_client(stack.api_url, stack.anon_key)
    with client.auth:
        _try_all(client, email)


def _try_all(client: Client, email: str) -> None:
    made = client.auth.sign_up(
        {"email": email, "password": PASSWORD, "options": {"data": {"cat": "Tom"}}}
    )
    assert made.user is not None
    assert made.session is not None

    with pytest.raises(AuthApiError) as twice:
        client.auth.sign_up({"email": email, "password": PASSWORD})
    assert twice.value.code == "user_already_exists"
    with pytest.raises(AuthWeakPasswordError):
        client.auth.sign_up({"email": f"x{email}", "password": "short"})
    with pytest.raises(AuthApiError) as wrong:
        client.auth.sign_in_with_password({"email": email, "password": "wrong horse"})
    assert (wrong.value.status, wrong.value.code) == (400, "invalid_credentials")

    session = client.auth.sign_in_with_password({"email": email, "password": PASSWORD}).session
    assert session is not None
    refreshed = client.auth.refresh_session().session
    assert refreshed is not None
    assert refreshed.refresh_token != session.refresh_token
    answer = client.auth.get_user()
    assert answer is not None
    assert (answer.user.id, answer.user.user_metadata["cat"]) == (made.user.id, "Tom")
    claims = client.auth.get_claims()
    assert claims is not None
    assert claims["claims"]["sub"] == made.user.id
    assert client.auth.update_user({"data": {"cat": "Tim"}}).user.user_metadata["cat"] == "Tim"

    with client.postgrest:
        arguments = {"name": "Home", "base_currency": "EUR"}
        book: Any = client.schema("ledger").rpc("create_book", arguments).execute()
    assert book.data["name"] == "Home"

    client.auth.sign_out()
    assert client.auth.get_session() is None
    with pytest.raises(AuthApiError) as signed_out:
        client.auth.get_user(refreshed.access_token)
    assert signed_out.value.code == "session_not_found"


def test_supabase_js_signs_up_in_and_out(stack: StackInfo, email: str) -> None:
    node = shutil.which("node")
    if node is None or not (NPM / "@supabase/supabase-js").is_dir():
        missing("Node with @supabase/supabase-js")
    assert node is not None
    ended = subprocess.run(
        [node, "-", stack.api_url, stack.anon_key, email, PASSWORD],
        input=SCRIPT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NODE_PATH": str(NPM)},
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "sign up": email,
        "twice": "user_already_exists",
        "weak": "weak_password",
        "wrong": "invalid_credentials",
        "sign in": email,
        "refresh": email,
        "rotated": True,
        "user": email,
        "claims": ["authenticated", "Tom"],
        "update": email,
        "book": "Home",
        "sign out": True,
        "after": "AuthSessionMissingError",
        "anon": 401,
    }
