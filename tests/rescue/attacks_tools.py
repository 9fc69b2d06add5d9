"""What attackers do to entries, as functions that return what is to be done."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.rescue.attacks_backup import Change, Copy, lucky_name

Where = Callable[[Copy], Path]
"""Where something is in a copy."""


def roll_back(*plains: str) -> Change:
    """Put older versions in the place of files or directories."""

    def change(copy: Copy) -> None:
        for plain in plains:
            remove_path(copy.at(plain))
            if copy.old(plain).is_dir():
                shutil.copytree(copy.old(plain), copy.at(plain), symlinks=True)
            else:
                shutil.copy2(copy.old(plain), copy.at(plain), follow_symlinks=False)

    return change


def swap(plain: str, other: str) -> Change:
    """Let two objects change places."""
    return swap_names(lambda copy: copy.at(plain), lambda copy: copy.at(other))


def swap_names(one: Where, two: Where) -> Change:
    """Let two entries change places."""

    def change(copy: Copy) -> None:
        first, second = one(copy), two(copy)
        aside = copy.path / "aside"
        first.rename(aside)
        second.rename(first)
        aside.rename(second)

    return change


def entry(directory: str, name: str) -> Where:
    """Return where an entry of a directory is that has this cipher name."""
    return lambda copy: copy.at(directory) / name


def name_file(plain: str) -> Where:
    """Return where the `.name` file of something with a long name is."""
    return lambda copy: Path(f"{copy.at(plain)}.name")


def move(plain: str, to: Where) -> Change:
    """Move an object to another entry."""

    def change(copy: Copy) -> None:
        copy.at(plain).rename(to(copy))

    return change


def duplicate(plain: str, to: Where) -> Change:
    """Put a copy of a file or directory there."""

    def change(copy: Copy) -> None:
        if copy.at(plain).is_dir():
            shutil.copytree(copy.at(plain), to(copy), symlinks=True)
        else:
            shutil.copy2(copy.at(plain), to(copy))

    return change


def hard_link(plain: str, over: str | Where) -> Change:
    """Make an entry another name of an object, in place of what is there."""

    def change(copy: Copy) -> None:
        path = copy.at(over) if isinstance(over, str) else over(copy)
        path.unlink(missing_ok=True)
        os.link(copy.at(plain), path, follow_symlinks=False)

    return change


def remove_path(path: Path) -> None:
    """Delete whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remove(*plains: str) -> Change:
    """Delete objects."""

    def change(copy: Copy) -> None:
        for plain in plains:
            remove_path(copy.at(plain))

    return change


def write(where: Where, data: bytes) -> Change:
    """Make a file of these bytes, in place of what is there."""

    def change(copy: Copy) -> None:
        clear(where(copy))
        where(copy).write_bytes(data)

    return change


def clear(path: Path) -> None:
    """Delete whatever is there, if anything is."""
    if os.path.lexists(path):
        remove_path(path)


def symlink(where: Where, target: str) -> Change:
    """Make a symlink with this target, in place of what is there."""

    def change(copy: Copy) -> None:
        clear(where(copy))
        where(copy).symlink_to(target)

    return change


def node(where: Where, kind: int, device: int = 0) -> Change:
    """Make a special file, in place of what is there."""

    def change(copy: Copy) -> None:
        clear(where(copy))
        os.mknod(where(copy), kind | 0o644, device)

    return change


def directory(where: Where) -> Change:
    """Make an empty directory, in place of what is there."""

    def change(copy: Copy) -> None:
        clear(where(copy))
        where(copy).mkdir()

    return change


def at(plain: str) -> Where:
    """Return where something is."""
    return lambda copy: copy.at(plain)


def lucky(name: str) -> Where:
    """Return where a directory has an entry that decrypts by chance."""
    return entry(name, lucky_name(name))


def spelled(plain: str, edit: Callable[[str], str]) -> Where:
    """Return where something would be if its cipher name were written otherwise."""
    return lambda copy: copy.at(plain).with_name(edit(copy.at(plain).name))


def with_unused_bits(name: str) -> str:
    """Return another text that a lenient reader decodes to the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return name[:-1] + alphabet[alphabet.index(name[-1]) + 1]


def delete(where: Where) -> Change:
    """Delete a file."""
    return lambda copy: where(copy).unlink()


def both(*changes: Change) -> Change:
    """Do one thing after another."""

    def change(copy: Copy) -> None:
        for each in changes:
            each(copy)

    return change


def edit_config(edit: Callable[[dict[str, Any]], object]) -> Change:
    """Change the fields of the config."""

    def change(copy: Copy) -> None:
        fields = json.loads(copy.config.read_text())
        edit(fields)
        write_config(json.dumps(fields).encode())(copy)

    return change


def write_config(data: bytes) -> Change:
    """Put something else in the place of the config."""
    return write(lambda copy: copy.config, data)


def rewrite_link(plain: str, edit: Callable[[str], str]) -> Change:
    """Give a symlink another target, made from its own."""

    def change(copy: Copy) -> None:
        symlink(at(plain), edit(os.readlink(copy.at(plain))))(copy)

    return change
