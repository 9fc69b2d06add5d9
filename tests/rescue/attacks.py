"""The attack catalogue: what can be done to a backup, and who notices.

`python -m tests.rescue.attacks > docs/attacks.md` writes the document anew.
"""

from collections import Counter
from collections.abc import Iterator

from tests.rescue.attacks_config import CONFIG
from tests.rescue.attacks_content import CONTENT
from tests.rescue.attacks_ivs import IVS
from tests.rescue.attacks_judges import MEMORY, PATIENCE
from tests.rescue.attacks_kinds import Attack, Group, Verdict
from tests.rescue.attacks_metadata import METADATA, OLD_ATTRIBUTES, OLDER
from tests.rescue.attacks_names import LINKS, LONG
from tests.rescue.attacks_tree import TREE

GROUPS = [CONTENT, TREE, IVS, LONG, LINKS, CONFIG, METADATA, OLDER, OLD_ATTRIBUTES]
CASES = [(group, attack) for group in GROUPS for attack in group.attacks]
JUDGES = ("`verify`", "`verify --against`", "`restore`", "`gocryptfs -fsck`")

INTRODUCTION = """\
# What is noticed of an attack on a backup

{count} kinds of damage and attack, each done to a fresh copy of a small backup: what
`revcrypt reverse` shows of files of several blocks, empty and sparse ones, directories,
long names, symlinks, hard links, extended attributes and a FIFO. Whoever does it can
write to the backup, has no key, and puts times back afterwards, so that nothing shows by
them. The tests do all of it (`tests/rescue/test_attacks.py`) and compare what they see
with this document, which is written by:

    python -m tests.rescue.attacks > docs/attacks.md

## The judges

- `revcrypt verify COPY`, which has nothing but the copy and the passphrase.
- `revcrypt verify COPY --against SOURCE`, with `--metadata` where the table says so.
- `revcrypt restore COPY DEST`; what has been restored is then compared with the source:
  contents, types, link targets, modes, owners, times and attributes.
- `gocryptfs -fsck COPY` of Debian 12 (gocryptfs 2.3), with {patience} seconds of time and
  {memory} GiB of address space. An untouched copy takes it a twentieth of a second.

## The words

- **found**: a finding says so, and the exit status is 26. Of `restore`: what is damaged
  is left out, and nothing wrong is restored without a finding about it.
- **refused**: a clear error and its own exit status, before anything is done.
- **healed**: `restore` says so, and everything is there and right.
- **harmless**: no finding, and everything that is restored is right.
- **missed**: no finding, although something is wrong.
- **hang**: it had not ended when its time was up.
- **crash**: it ended with the trace of a bug instead of an error message.

Where gocryptfs finds nothing, that is called harmless if what `revcrypt restore` makes of
the same copy is right without being healed, or if it is only a config that gocryptfs
takes and revcrypt refuses.

## How many

"""

ONLY_SOURCE = """\

## What only the source can tell

A copy consists of files that each prove to be what they are, but nothing in it lists
them, and nothing says which version of them is the last: the format has no place for it.
So these attacks are missed by whoever has only the copy. `verify --against` finds every
one of them. Where the source has gone, or is on the other side, what `revcrypt hash`
printed while it was there does so, too, for contents.

"""


def table(group: Group) -> Iterator[str]:
    """Yield the lines of the table of a group."""
    yield f"### {group.letter}. {group.title}"
    yield ""
    yield f"| attack | {' | '.join(JUDGES)} | why |"
    yield "|---|---|---|---|---|---|"
    for attack in group.attacks:
        words = [attack.name, *verdicts(attack), attack.why]
        yield f"| {' | '.join(words)} |"
    yield ""


def verdicts(attack: Attack) -> tuple[Verdict, ...]:
    """Return what all judges say."""
    return (*attack.ours, attack.theirs)


def tables() -> str:
    """Return all tables."""
    lines = [line for group in GROUPS for line in table(group)]
    return "\n".join(lines)


def counts() -> Iterator[str]:
    """Yield the lines of the table that counts verdicts."""
    yield f"| | {' | '.join(JUDGES)} |"
    yield "|---|---|---|---|---|"
    columns = [Counter(column) for column in zip(*(verdicts(a) for _, a in CASES))]
    for verdict in Verdict:
        numbers = " | ".join(str(column[verdict]) for column in columns)
        yield f"| {verdict.strip('*')} | {numbers} |"


def only_source() -> Iterator[str]:
    """Yield what a copy alone cannot tell, by the reason why."""
    reasons: dict[str, list[str]] = {}
    for group, attack in CASES:
        if attack.ours.verify is Verdict.MISSED:
            reason = attack.why.partition(";")[0]
            reasons.setdefault(reason, []).append(f"{attack.name} ({group.letter})")
    for reason, names in reasons.items():
        yield f"- Because {reason}: {', '.join(names)}."


def document() -> str:
    """Return `docs/attacks.md`."""
    introduction = INTRODUCTION.format(
        count=len(CASES), patience=PATIENCE, memory=MEMORY >> 30
    )
    parts = [
        introduction,
        "\n".join(counts()),
        "\n",
        ONLY_SOURCE,
        "\n".join(only_source()),
        "\n\n## All of them\n\n",
        tables(),
    ]
    return "".join(parts)


if __name__ == "__main__":
    print(document(), end="")
