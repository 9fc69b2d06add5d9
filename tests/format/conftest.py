"""Whatever seals runs, the same tests hold for it."""

import os
from collections.abc import Iterator

import pytest

from revcrypt.format import bulk, content

PYTHON, COMPILED = "in Python", "compiled"
IMPLEMENTATIONS = [PYTHON]
if bulk.RUNS is not None or "REVCRYPT_WITHOUT_BULK" not in os.environ:
    # Where it is missing without anybody having said so, these tests fail.
    IMPLEMENTATIONS.append(COMPILED)


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have one of the implementations in use by what is made meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == PYTHON:
            patch.setattr(bulk, "RUNS", None)
            patch.setattr(bulk, "NAMES", None)
        assert content.AesSiv(bytes(64)).is_compiled == (request.param == COMPILED)
        yield
