"""The adapter, asked at random, the same each time; `make fuzz` goes on from here."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.counts import Counted
from tests.fuzz.adapter import SETTINGS
from tests.fuzz.machine import AdapterMachine

MOUNTS = 60


def test_adapter(counted: Counted) -> None:
    before = AdapterMachine.mounts
    run_state_machine_as_test(
        AdapterMachine, settings=settings(SETTINGS, max_examples=MOUNTS, derandomize=True)
    )
    # Hypothesis may try one or two more, which are too long to count.
    assert AdapterMachine.mounts - before >= MOUNTS
    counted("random lives of a mount", MOUNTS)
