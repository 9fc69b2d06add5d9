"""What an attack is, and the words for what judges say about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tests.rescue.attacks_backup import Change


class Verdict(StrEnum):
    """What a judge says; the values are the words of the table."""

    FOUND = "found"
    REFUSED = "refused"
    HEALED = "healed"
    HARMLESS = "harmless"
    MISSED = "**missed**"
    HANG = "**hang**"
    CRASH = "**crash**"


class Ours(NamedTuple):
    """The verdicts of revcrypt's judges."""

    verify: Verdict
    against: Verdict
    restore: Verdict


FOUND, REFUSED, HEALED = Verdict.FOUND, Verdict.REFUSED, Verdict.HEALED
HARMLESS, MISSED, HANG, CRASH = (
    Verdict.HARMLESS,
    Verdict.MISSED,
    Verdict.HANG,
    Verdict.CRASH,
)

ALL_FIND = Ours(FOUND, FOUND, FOUND)
"""It is found, and what is lost by it is left out of what is restored."""
PUT_RIGHT = Ours(FOUND, FOUND, HEALED)
"""It is found, and what is restored is complete all the same."""
SOURCE_ONLY = Ours(MISSED, FOUND, MISSED)
"""A copy alone cannot tell."""
NOTHING = Ours(HARMLESS, HARMLESS, HARMLESS)
"""Nothing that belongs to the backup has changed."""
NO_KEY = Ours(REFUSED, REFUSED, REFUSED)
"""The config yields no key, which is said before anything is done."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of damage, what the judges have to say of it, and why.

    *theirs* is the verdict of gocryptfs.
    """

    name: str
    change: Change
    ours: Ours
    theirs: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Group:
    """Attacks of one sort.

    With *metadata*, the comparison with the source is asked for metadata, too, and the
    attacker does not put times back.
    """

    letter: str
    title: str
    attacks: list[Attack]
    metadata: bool = False
