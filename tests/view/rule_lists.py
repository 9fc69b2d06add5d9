"""Random lists of ordered rules about the entries of one tree."""

import re
from collections.abc import Sequence
from random import Random

from revcrypt.errors import FilterError
from revcrypt.view.filter_rules import FilterRules
from revcrypt.view.gitignore import Line
from tests.view.patterns import Patterns, Tree

_UNWRITABLE = bytes.maketrans(b"\n\r", b"??")


def parse(*rules: bytes) -> FilterRules:
    """Understand rules, whose numbers are where they come from."""
    return FilterRules(Line(str(number), rule) for number, rule in enumerate(rules))


def is_understood(pattern: bytes) -> bool:
    """Tell whether a pattern is no error; a line of rsync's ends at a CR, too."""
    try:
        parse(b"- " + pattern)
    except FilterError:
        return False
    return b"\r" not in pattern


class Rules:
    """Makes rules, and lists of them."""

    def __init__(self, random: Random, tree: Tree) -> None:
        self._random = random
        self._patterns = Patterns(random, tree)
        self._paths = list(tree.is_dir)

    def pattern(self) -> bytes:
        """Return a pattern that is no error."""
        while not is_understood(pattern := self._patterns.pattern()):
            pass
        return pattern

    def some(self, *words: bytes) -> list[bytes]:
        """Return a few rules, each with one of *words* before its pattern."""
        count = self._random.choice([1, 2, 3, 5])
        return [self._random.choice(words) + self.pattern() for _ in range(count)]

    def places(self) -> list[bytes]:
        """Return includes of anchored paths, and of each directory above them."""
        rules = []
        for _ in range(self._random.choice([1, 2, 3])):
            path = self._random.choice(self._paths)
            names = [n if self._random.random() < 0.8 else None for n in path.split(b"/")]
            above = [names[:end] for end in range(1, len(names))]
            rules += [b"+ /" + quote(directory, b"/") for directory in above]
            end = self._patterns.one_of({b"": 1, b"/": 1, b"/***": 2})
            rules.append(b"+ /" + quote(names, end))
        return rules

    def agreeing(self) -> list[bytes]:
        """Return a list with which no include may match below what is left out.

        There are five ways to make sure of that: there are no includes; all of them come
        too late and name no place; they name only places in the root, and all of them; a
        first rule shows all directories; all of them name a place, and come first, and so
        do the directories above the places.
        """
        match self._random.randrange(5):
            case 0:
                return self.some(b"- ", b"exclude ")
            case 1:
                late = [rule for rule in self.some(b"+ ") if b" /" not in rule]
                return self.some(b"- ") + late
            case 2:
                names = [path.split(b"/")[:1] for path in self._paths]
                roots = [quote(name, b"/***") for name in self._random.sample(names, 5)]
                return [*self.some(b"- "), *(b"+ /" + root for root in roots), b"- *"]
            case 3:
                return [b"+ */", *self.some(b"+ ", b"- ", b"include ", b"exclude ")]
            case _:
                ends = [b"- *"] if self._random.random() < 0.5 else []
                return [*self.places(), *self.some(b"- "), *ends]


def quote(names: Sequence[bytes | None], end: bytes) -> bytes:
    """Return a pattern for a path, in which None stands for any name."""
    text = b"/".join(b"*" if name is None else name for name in names) + end
    if not is_wild(text.translate(_UNWRITABLE)):
        return text
    quoted = [re.sub(rb"([*?[\\])", rb"\\\1", name or b"") or b"*" for name in names]
    return b"/".join(quoted).translate(_UNWRITABLE) + end


def is_wild(pattern: bytes) -> bool:
    """Tell whether a backslash escapes in a pattern."""
    return re.search(rb"[*?[]", pattern) is not None
