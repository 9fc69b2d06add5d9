"""Operations on a view, called as pyfuse3 calls them."""

import pytest

from revcrypt.fuse.operations import Operations
from revcrypt.view.nodes import View
from tests.view.trees import FakeFile, FakeView, fake_attrs


@pytest.fixture
def view() -> FakeView:
    """A view with one file; many tests have one of their own."""
    return FakeView({b"a": FakeFile(b"content", fake_attrs(10, size=7))})


@pytest.fixture
def ops(view: View) -> Operations:
    """Operations on the view of the test."""
    return Operations(view)
