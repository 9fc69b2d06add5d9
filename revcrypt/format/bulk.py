"""The compiled part of the format, or None for what was not built.

It does what `content` and `names` do in Python, and is held against that by the tests.
"""

try:
    from revcrypt.format import _bulk

    RUNS: type[_bulk.Runs] | None = _bulk.Runs
    NAMES: type[_bulk.Names] | None = _bulk.Names
except ImportError:
    RUNS = NAMES = None
