from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

CLIENT = Path(__file__).parents[2] / "client"


@pytest.fixture
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "generate_sync", CLIENT / "tools" / "generate_sync.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sync_client_is_current(generator: ModuleType) -> None:
    assert generator.main(["--check"]) == 0


def test_async_words_go_and_names_change(generator: ModuleType) -> None:
    source = (
        "async def f(a: Callable[[], Awaitable[list[str]]]) -> AsyncThing:\n"
        '    """Use `await f()` of AsyncThing."""\n'
        "    async with a as b:\n"
        "        x = [await c async for c in b]  # await it\n"
        "    asynchronous = await clock.asleep(1)\n"
    )
    assert generator.generate(source, "x.py").split("\n\n", 1)[1] == (
        "def f(a: Callable[[], list[str]]) -> Thing:\n"
        '    """Use `f()` of Thing."""\n'
        "    with a as b:\n"
        "        x = [c for c in b]  # it\n"
        "    asynchronous = clock.sleep(1)\n"
    )


def test_a_change_of_either_side_is_found_and_mended(generator: ModuleType, tmp_path: Path) -> None:
    package = tmp_path / "client" / "tillroll"
    for name in ("_async", "_sync"):
        shutil.copytree(CLIENT / "tillroll" / name, package / name)
    (package / "__init__.py").touch()
    shutil.copy(CLIENT.parent / "pyproject.toml", tmp_path)
    assert generator.main(["--check"], package) == 0
    book = package / "_sync" / "_book.py"
    book.write_text(book.read_text() + "# by hand\n")
    (package / "_sync" / "left_over.py").write_text("")
    assert generator.main(["--check"], package) == 1
    assert generator.main([], package) == 0
    assert generator.main(["--check"], package) == 0
    assert not (package / "_sync" / "left_over.py").exists()
