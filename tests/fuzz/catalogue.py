"""All targets, and the table of them, which is in `docs/reliability.md`.

`python -m tests.fuzz.catalogue` prints it, with the figures of the last `make fuzz`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.fuzz import configs, contents, filters, keys, names

TARGETS = {
    target.name: target
    for module in (configs, names, contents, filters, keys)
    for target in module.TARGETS
}
ADAPTER = "adapter"
ADAPTER_PROPERTY = (
    "what is told and read was true of the source at some time since it was asked for; "
    "nothing is left when all is forgotten"
)
ADAPTER_FIXED = 4
EXECUTIONS = Path("build/fuzz/executions.json")

HEAD = """\
| target | property | executions | findings fixed |
|---|---|---|---|
"""


def table(executions: Mapping[str, int]) -> str:
    """Return the table, with how often each target was run."""
    rows = [(t.name, t.property, t.fixed) for t in TARGETS.values()]
    rows.append((ADAPTER, ADAPTER_PROPERTY, ADAPTER_FIXED))
    return HEAD + "".join(
        f"| {name} | {what} | {executions[name]:,} | {fixed} |\n"
        for name, what, fixed in rows
    )


if __name__ == "__main__":
    print(table(json.loads(EXECUTIONS.read_text())), end="")
