"""What is made of the measurements: medians, ratios and their spread. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Self

REFERENCE = "revcrypt"
"""The peer that all others are compared with."""

SECONDS = "seconds"
"""What every sample has, and what is compared."""

Sample = dict[str, float]
"""What one peer has cost in one round, by the name of the figure."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Result:
    """What all peers have cost in one workload, round by round."""

    workload: str
    summary: str
    amount: float
    """How much was done, in *unit*, so that there is a rate."""
    unit: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Why a peer has no samples."""

    def spread(self, peer: str, figure: str = SECONDS) -> Spread:
        """Return how a figure of *peer* has come out over the rounds."""
        return Spread.of([sample[figure] for sample in self.samples[peer]])

    def rate(self, peer: str) -> float:
        """Return how much *peer* does in a second, by its median."""
        return self.amount / self.spread(peer).median

    def ratio(self, peer: str) -> Spread | None:
        """Return how many times as long as the reference *peer* takes.

        The two of one round are compared, because they ran one right after the other, on
        a machine that may have been slower in the next.
        """
        if REFERENCE not in self.samples:
            return None
        pairs = zip(self.samples[peer], self.samples[REFERENCE], strict=True)
        return Spread.of([own[SECONDS] / other[SECONDS] for own, other in pairs])

    def extra_figures(self) -> list[str]:
        """Return the names of what was measured besides the time, in order."""
        every = (sample for samples in self.samples.values() for sample in samples)
        names = dict.fromkeys(name for sample in every for name in sample)
        return [name for name in names if name != SECONDS]

    def as_json(self) -> dict[str, Any]:
        """Return everything, with what is derived from it, as JSON can hold it."""
        figures = {}
        for peer in self.samples:
            ratio = self.ratio(peer)
            figures[peer] = {
                SECONDS: asdict(self.spread(peer)),
                "rate": self.rate(peer),
                "ratio": ratio and asdict(ratio),
            }
        return {**asdict(self), "figures": figures}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Return what `as_json` was made from."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})


def select(names: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Return which of *names* are wanted: by name, or all that begin like it.

    Raises:
        ValueError: if something that is wanted does not exist.
    """
    chosen: set[str] = set()
    for word in wanted:
        found = [word] if word in names else [n for n in names if n.startswith(word)]
        if not found:
            raise ValueError(f"there is no {word!r} among {', '.join(names)}")
        chosen.update(found)
    return [name for name in names if name in chosen]
