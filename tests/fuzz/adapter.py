"""`python -m tests.fuzz.adapter COUNT`: ask the adapter so many things, at random."""

import logging
import sys

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.machine import AdapterMachine

SETTINGS = settings(
    max_examples=200,
    stateful_step_count=40,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def main(count: int) -> None:
    """Print how many requests there were."""
    logging.disable()
    try:
        while AdapterMachine.requests < count:
            run_state_machine_as_test(AdapterMachine, settings=SETTINGS)
    finally:
        print(AdapterMachine.requests)


if __name__ == "__main__":
    main(int(sys.argv[1]))
