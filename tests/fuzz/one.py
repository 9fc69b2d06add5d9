"""`python -m tests.fuzz.one TARGET …`: libFuzzer on one target, with its own options."""

import logging
import sys

import atheris

with atheris.instrument_imports(include=["revcrypt"]):
    from tests.fuzz.catalogue import TARGETS

if __name__ == "__main__":
    logging.disable()
    atheris.Setup(sys.argv, TARGETS[sys.argv.pop(1)].run)
    atheris.Fuzz()
