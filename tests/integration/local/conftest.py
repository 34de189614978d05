"""One running stack for the tests that only talk to it."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tillroll.local.stack import Stack, StackInfo


@pytest.fixture(scope="session")
def stack() -> Iterator[StackInfo]:
    folder = new_folder()
    with Stack(folder, durable=False) as info:
        yield info
    shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


@pytest.fixture
def http(stack: StackInfo) -> Iterator[httpx.Client]:
    """Calls the stack as somebody who has not signed in."""
    with httpx.Client(base_url=stack.api_url, headers={"apikey": stack.anon_key}) as client:
        yield client


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="tillroll-stack-"))
