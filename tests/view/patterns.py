"""Random patterns about the entries of one tree, for holding ours against others."""

import os
from pathlib import Path
from random import Random

NAMES = [
    *b"a b c d ab abc abcd a.b A B Ab x.tmp x.TMP y.txt .a .tmp a~ ~ 1 42 a1".split(),
    *b"* ** a* *a ? a? [ ] [a] [a [] [!a] a] \\ \\a a\\ a\\* ! !a # #a a# ;".split(),
    *b"^ ^a : a:b :] + - -a a-c {a,b} $a %61 'a' \"a\" ... ..a a.. a, (a) a|b".split(),
    *[b" ", b"a ", b" a", b"a  ", b"a b", b"\t", b"a\t", b"a\r", b"\ra", b"+ a", b"- a"],
    *[b"\n", b"a\n", b"\na", b"a\nb", b"a\n\n", b"\x01", b"\x7f", b"a\x1b[0m"],
    *[b"\xc3\xa9", b"\xe9", b"caf\xc3\xa9", b"a\xe9", b"\xff\xfe", b"a\x85", b"a\xa0"],
]
"""Names that mean something to somebody who reads patterns, lines or bytes."""

CLASSES = (
    b"alnum alpha blank cntrl digit graph lower print punct space upper xdigit".split()
)
_ODDITIES = [
    b"[",
    b"[a",
    b"[!",
    b"[]",
    b"[[:alpha:]",
    b"[[:beta:]]",
    b"[b-a]",
    b"]",
    b"\\",
]
"""Most of these leave a pattern that matches nothing."""


class Tree:
    """A tree with *size* entries of random `NAMES`; *is_dir* has them, parents first."""

    def __init__(self, root: Path, random: Random, size: int) -> None:
        self.root = os.fsencode(root)
        root.mkdir(exist_ok=True)
        self.is_dir: dict[bytes, bool] = {}
        directories = [b""]
        while len(self.is_dir) < size:
            path = os.path.join(random.choice(directories), random.choice(NAMES))
            if path in self.is_dir or path.count(b"/") > 3:
                continue
            self.is_dir[path] = random.random() < 0.4
            full = os.path.join(self.root, path)
            if self.is_dir[path]:
                os.mkdir(full)
                directories.append(path)
            else:
                os.close(os.open(full, os.O_CREAT | os.O_EXCL))


class Patterns:
    """Makes patterns that have something to do with the paths of a tree."""

    def __init__(self, random: Random, tree: Tree) -> None:
        self._random = random
        self._paths = list(tree.is_dir)

    def one_of(self, weights: dict[bytes, int]) -> bytes:
        """Return one of the texts, each as often as its weight says."""
        [text] = self._random.choices(list(weights), list(weights.values()))
        return text

    def pattern(self) -> bytes:
        """Return a pattern, maybe one that matches nothing."""
        random = self._random
        names = random.choice(self._paths).split(b"/")
        if random.random() < 0.15:
            names = [random.choice(NAMES) for _ in range(random.randint(1, 3))]
        start = random.randint(0, len(names) - 1) if random.random() < 0.5 else 0
        names = names[start:] if random.random() < 0.8 else names[: start + 1]
        names = [self._name(name) for name in names]
        for _ in range(random.choice([0, 0, 0, 1, 2])):
            name = random.choice([b"**", b"*", b"**/**"])
            names.insert(random.randint(0, len(names)), name)
        text = self.one_of({b"": 8, b"/": 2, b"**/": 1}) + b"/".join(names)
        ends = {b"": 8, b"/": 3, b"/**": 1, b"/*": 1, b"/***": 1}
        return (text + self.one_of(ends)).replace(b"\n", b"?")

    def _name(self, name: bytes) -> bytes:
        random = self._random
        way = random.random()
        if way < 0.25:
            return name
        if way < 0.35:
            return random.choice(
                [b"*", b"**", b"***", b"?", b"?*", b"*?", b"[!.]*", b"*.*"]
            )
        text = b"".join(self._char(name[i : i + 1]) for i in range(len(name)))
        if way < 0.6:
            start = random.randint(0, len(text))
            end = random.choice([start, start, start + 1, len(text)])
            stars = self.one_of({b"*": 3, b"**": 1, b"*?": 1, b"*a*": 1})
            text = text[:start] + stars + text[end:]
        return text

    def _char(self, char: bytes) -> bytes:
        way = self._random.random()
        if char == b"\n":
            return self._random.choice(
                [b"?", b"[!a]", b"[[:space:]]", b"[\x01-\x20]", b"*"]
            )
        if way < 0.5:
            return b"\\" + char if char in b"*?[\\" else char
        if way < 0.6:
            return char
        if way < 0.7:
            return b"\\" + char
        if way < 0.75:
            return b"?"
        return self.brackets(char) if way < 0.97 else self._random.choice(_ODDITIES)

    def brackets(self, char: bytes) -> bytes:
        """Return a bracket expression that has to do with *char*."""
        random = self._random
        before, after = max(1, char[0] - 2), min(255, char[0] + 2)
        choices = [
            char,
            b"\\" + char,
            b"%c-%c" % (before, after),
            b"\\%c-\\%c" % (before, after),
            b"[:%b:]" % random.choice(CLASSES),
            random.choice([b"a-c", b"]", b"-", b"!", b"^", b"[", b"a-", b"-c", b":"]),
            random.choice(
                [b"\\]", b"[:", b":]", b"[a:]", b"\x80-\xff", b"b-b", b"[=a=]"]
            ),
        ]
        members = b"".join(random.choices(choices, k=random.choice([1, 1, 2, 3])))
        start = self.one_of({b"[": 3, b"[!": 1, b"[^": 1})
        return start + members.replace(b"\n", b"a") + b"]"
