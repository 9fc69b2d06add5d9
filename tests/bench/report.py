"""The table for people and the JSON for programs. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from tests.bench.figures import REFERENCE, Result, Spread


@dataclass(frozen=True, slots=True)
class Report:
    """Results, and the machine and settings they belong to."""

    conditions: dict[str, str]
    results: list[Result]

    def to_json(self) -> str:
        """Return it all as the text of a JSON file."""
        value = {
            "conditions": self.conditions,
            "results": [result.as_json() for result in self.results],
        }
        return json.dumps(value, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` was made from."""
        value: dict[str, Any] = json.loads(text)
        results = [Result.from_json(result) for result in value["results"]]
        return cls(value["conditions"], results)

    def added_to(self, older: Self, order: Sequence[str]) -> Self:
        """Return this with those of *older* that are not measured anew.

        What was measured under other conditions is not comparable, and is dropped.
        """
        if older.conditions != self.conditions:
            return self
        results = {result.workload: result for result in older.results + self.results}
        known = [results[name] for name in order if name in results]
        return type(self)(self.conditions, known)

    def text(self) -> str:
        """Return it all as people read it."""
        width = max(map(len, self.conditions))
        head = [f"{name:{width}}  {value}" for name, value in self.conditions.items()]
        return "\n\n".join(["\n".join(head), *map(table, self.results)]) + "\n"


def table(result: Result) -> str:
    """Return a table of one workload, a peer to a line."""
    extras = result.extra_figures()
    heads = [
        "",
        "seconds",
        f"{result.unit}/s",
        *(name.replace("_", " ") for name in extras),
    ]
    rows = [[*heads, "times revcrypt's time"]]
    for peer, samples in result.samples.items():
        ratio = result.ratio(peer)
        rows.append(
            [
                peer,
                _spread(result.spread(peer)),
                _number(result.rate(peer)),
                *(
                    _extra(result, peer, name) if name in samples[0] else ""
                    for name in extras
                ),
                "" if ratio is None else "1" if peer == REFERENCE else _spread(ratio),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{result.workload}: {result.summary} ({_rounds(result)})"]
    for first, *others in rows:
        cells = [
            f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)
        ]
        lines.append("  ".join([f"  {first:<{widths[0]}}", *cells]))
    lines += [f"  {peer}: {reason}" for peer, reason in result.missing.items()]
    return "\n".join(lines)


def _rounds(result: Result) -> str:
    count = max(map(len, result.samples.values()), default=0)
    return "1 round" if count == 1 else f"{count} rounds"


def _extra(result: Result, peer: str, name: str) -> str:
    return _number(result.spread(peer, name).median)


def _spread(spread: Spread) -> str:
    low, high = _number(spread.low), _number(spread.high)
    return f"{_number(spread.median)} ({low}..{high})"


def _number(value: float) -> str:
    """Return about three digits, which is more than the spread deserves."""
    for limit, digits in ((1, 3), (10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"
