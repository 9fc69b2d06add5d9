"""What a machine mounts: one small TOML file per view, in /etc/revcrypt.

    source = "/srv/data"
    mountpoint = "/run/revcrypt/data"
    config = "/etc/revcrypt/data.conf"
    passfile = "/etc/revcrypt/data.pass"
    exclude = ["/tmp"]

Besides `source`, `mountpoint` and `forward`, the keys are the long options of `revcrypt
reverse` (or of `revcrypt forward`, where `forward = true`), so both are understood by the
same parser. Such a file says who runs what as root: nobody else may be able to write it.
"""

import argparse
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from revcrypt.cli import forward, mounting, options, reverse
from revcrypt.cli.configs import ConfigPath
from revcrypt.cli.parser import Parser
from revcrypt.cli.secrets import is_master_key
from revcrypt.errors import (
    ConfigInvalidError,
    ConfigUnreadableError,
    ExitCode,
    UsageError,
)
from revcrypt.format.config import Features

DIRECTORY = "/etc/revcrypt"
_OWN_KEYS = ("source", "mountpoint", "forward")
_MOST = (1 << 63) - 1
"""The largest number that TOML has; Python's reader takes any."""
_NOT_HERE = {
    "foreground": "it is for the command line: revcrypt mount --foreground",
    "passphrase": "a file that others can read is no place for secrets; use passfile",
    "passphrase-fd": "it is for the command line; use passfile",
    "help": "it is for the command line",
}


@dataclass(frozen=True, slots=True)
class Site:
    """What one file says: *arguments* are those of `revcrypt reverse` or `forward`."""

    name: str
    path: str
    arguments: argparse.Namespace
    is_forward: bool

    @property
    def source(self) -> str:
        """The directory to show."""
        source: str = (
            self.arguments.cipherdir if self.is_forward else self.arguments.plaindir
        )
        return source

    @property
    def mountpoint(self) -> str:
        """Where it is shown."""
        mountpoint: str = self.arguments.mountpoint
        return mountpoint

    def make_request(self) -> mounting.Request:
        """Return what is to be mounted; raises `UsageError`."""
        make = forward.make_request if self.is_forward else reverse.make_request
        return make(self.arguments)

    def features(self, config: ConfigPath) -> Features:
        """Return how the key is used, without asking for it; raises as mounting does."""
        flags = forward.flags if self.is_forward else reverse.flags
        return options.check_key(self.arguments, config, flags(self.arguments))

    def shown_source(self) -> bytes:
        """Return the source as `mount` and `df` show it."""
        return mounting.shown_source(self.source, self.arguments.fsname)

    def mount(self, *, foreground: bool) -> ExitCode:
        """Mount it; the mountpoint is there only as long as the mount is."""
        self.arguments.foreground = foreground
        self.arguments.create = True
        run = forward.run if self.is_forward else reverse.run
        return run(self.arguments)


def path_of(name: str) -> str:
    """Return the file that *name* stands for: a view of this machine, or a path."""
    return name if "/" in name else os.path.join(DIRECTORY, f"{name}.toml")


def read(name: str) -> Site:
    """Read and check a file; raises `ConfigUnreadableError` or `ConfigInvalidError`."""
    path = path_of(name)
    try:
        with open(path, "rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            settings = tomllib.load(file)
    except OSError as error:
        raise ConfigUnreadableError(
            f"cannot read {path}: {error.strerror}",
            hint="it says what to mount where; README.md has an example",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ConfigInvalidError(f"{path} is no TOML: {error}") from None
    try:
        return _parse(name, path, settings)
    except UsageError as error:
        raise ConfigInvalidError(f"{path}: {error}", hint=error.hint) from None


def _check_owner(path: str, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigInvalidError(
            f"{path} belongs to another user", hint=f"make it root's: chown root {path}"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigInvalidError(
            f"others than its owner may write {path}",
            hint=f"take that away: chmod go-w {path}",
        )


def _parse(name: str, path: str, settings: Mapping[str, Any]) -> Site:
    is_forward = settings.get("forward", False)
    if not isinstance(is_forward, bool):
        raise UsageError("forward is either true or false")
    for key in ("source", "mountpoint"):
        value = settings.get(key)
        if not isinstance(value, str) or not os.path.isabs(value) or "\0" in value:
            raise UsageError(f"{key} must be given, as an absolute path")
    parser = Parser(prog="revcrypt", allow_abbrev=False, add_help=False)
    (forward if is_forward else reverse).add_arguments(parser)
    words: list[str] = []
    for key, value in settings.items():
        words += _words(key, value)
        # Also of what says no: somebody who mistypes it believes that it was heard.
        if key not in _OWN_KEYS and not parser.knows(f"--{key}"):
            raise UsageError(
                f"unknown key {key}",
                hint="the keys are source, mountpoint, forward, and the long options of "
                f"revcrypt {'forward' if is_forward else 'reverse'}",
            )
    paths = [settings["source"], settings["mountpoint"]]
    try:
        arguments = parser.parse_args([*words, "--", *paths])
    except UsageError as error:
        raise UsageError(str(error).replace("argument --", "")) from None
    if arguments.masterkey is not None and is_master_key(arguments.masterkey):
        raise UsageError(
            "masterkey is the key itself", hint="name a file that only root can read"
        )
    for key, value in settings.items():
        is_list = isinstance(getattr(arguments, key.replace("-", "_"), None), list)
        if isinstance(value, list) and len(value) > 1 and not is_list:
            raise UsageError(f"{key} has one value, not {len(value)}")
    return Site(name, path, arguments, is_forward)


def _words(key: str, value: object) -> Iterator[str]:
    """Yield how the command line says what a key of the file says."""
    if key in _OWN_KEYS:
        return
    if key in _NOT_HERE or len(key) < 2 or not key.isascii():
        raise UsageError(f"{key} has no place here", hint=_NOT_HERE.get(key))
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and "\0" in item:
            raise UsageError(f"{key} contains a NUL byte")
        if isinstance(item, int) and abs(item) > _MOST:
            raise UsageError(f"{key} is too large a number")
        if item is True:
            yield f"--{key}"
        elif isinstance(item, str | int) and item is not False:
            yield f"--{key}={item}"
        elif item is not False:
            raise UsageError(f"{key} is neither text, number, true nor false")
