"""The official clients, unmodified."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
from postgrest import AsyncPostgrestClient, CountMethod, SyncPostgrestClient
from postgrest.exceptions import APIError

from tests.conftest import NPM, Database, missing

from .conftest import Api, serve, token

SCRIPT = """
import { createClient } from '@supabase/supabase-js'
const [url, key] = process.argv.slice(2)
const client = createClient(url, key, {
  db: { schema: 'api' },
  auth: { persistSession: false },
  realtime: { transport: class {} }, // Node before 22 has no WebSocket of its own
})
const item = { id: 1, name: 'a' }
const said = {
  scalar: await client.rpc('add', { a: 1 }),
  composite: await client.rpc('echo_item', { item }),
  rows: await client.rpc('table_of', { n: 3 }, { count: 'exact' })
    .select('twice').gt('id', 1).order('id', { ascending: false }).limit(1),
  get: await client.rpc('table_of', { n: 1 }, { get: true }).single(),
  head: await client.rpc('table_of', { n: 2 }, { head: true, count: 'exact' }),
  nothing: await client.rpc('nothing'),
  refused: await client.rpc('fail', { code: 'P0001' }),
  read: await client.from('people').select('id, who:name').or('id.eq.1,name.eq.Grace')
    .in('id', [1, 2]).not('score', 'is', null).order('id').range(0, 0),
  one: await client.from('people').select().eq('id', 2).single(),
  none: await client.from('people').select().eq('id', 7).maybeSingle(),
  many: await client.from('people').select().single(),
  other: await client.schema('other').from('things').select(),
}
console.log(JSON.stringify(said))
"""


def test_supabase_js_works(shared: Database) -> None:
    node = shutil.which("node")
    if node is None or not (NPM / "@supabase/supabase-js").exists():
        missing("node with @supabase/supabase-js")
    with serve(shared, prefix="/rest/v1") as api:
        url, key = api.url.removesuffix("/rest/v1"), token()["Authorization"].split()[1]
        run = subprocess.run(
            [str(node), "--input-type=module", "-", url, key],
            input=SCRIPT,
            cwd=NPM.parent,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["scalar"]["data"] == 11
    assert said["composite"]["data"] == {"id": 1, "name": "a"}
    assert (said["rows"]["data"], said["rows"]["count"]) == ([{"twice": 6}], 2)
    assert said["get"]["data"] == {"id": 1, "twice": 2}
    assert said["head"]["count"] == 2
    assert (said["nothing"]["status"], said["nothing"]["error"]) == (204, None)
    assert (said["refused"]["status"], said["refused"]["error"]["code"]) == (400, "P0001")
    assert said["read"]["data"] == [{"id": 1, "who": "Ada"}]
    assert said["one"]["data"]["name"] == "Grace"
    assert (said["none"]["data"], said["none"]["error"]) == (None, None)
    assert said["many"]["error"]["code"] == "PGRST116"
    assert said["other"]["data"] == [{"name": "thing"}]


def call(client: SyncPostgrestClient, name: str, get: bool = False, **arguments: Any) -> Any:
    return client.rpc(name, arguments, get=get).execute().data


def test_postgrest_py_works(api: Api) -> None:
    with SyncPostgrestClient(api.url, schema="api", headers=token()) as client:
        assert call(client, "add", a=1) == 11
        assert call(client, "table_of", get=True, n=1) == [{"id": 1, "twice": 2}]
        assert call(client, "state")["role"] == "authenticated"
        people = client.from_("people")
        found = people.select("id", count=CountMethod.exact).gt("id", 1).limit(2).execute()
        assert (len(found.data), found.count) == (2, 4)
        one = people.select("name").eq("id", 2).single().execute()
        assert one.data == {"name": "Grace"}
        assert people.select("*").eq("id", 7).maybe_single().execute() is None
        with pytest.raises(APIError) as refused:
            call(client, "fail", code="23505")
        assert refused.value.code == "23505"


async def test_postgrest_py_works_asynchronously(api: Api) -> None:
    async with AsyncPostgrestClient(api.url, schema="api", headers=token()) as client:
        arguments: dict[str, Any] = {"a": 1}
        assert (await client.rpc("add", arguments).execute()).data == 11
