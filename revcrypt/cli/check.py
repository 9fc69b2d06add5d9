"""`revcrypt check`: what a view would show, what it leaves out and cannot show."""

import argparse
import os
from collections import Counter
from stat import S_ISDIR, S_ISLNK, S_ISREG

from revcrypt.cli import configs, filters, options, output
from revcrypt.cli.sizes import human
from revcrypt.errors import ExitCode
from revcrypt.format.keys import MASTER_KEY_SIZE
from revcrypt.format.volume import Volume
from revcrypt.view.reverse import ReverseView
from revcrypt.view.source import Source
from revcrypt.view.survey import Item, Survey

NAME = "check"
SUMMARY = "say what a reverse view would show, and what it cannot; no key is needed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    parser.add_argument(
        "--excluded", action="store_true", help="list what is left out, and why"
    )
    parser.add_argument(
        "--included",
        action="store_true",
        help="list what is shown, and which rule says so, if one does",
    )
    options.add_config(parser, "PLAINDIR/.gocryptfs.reverse.conf")
    parser.add_argument(
        "--passfile",
        metavar="FILE",
        action="append",
        default=[],
        help="a passfile, which is not read, but left out if it is in PLAINDIR",
    )
    parser.add_argument(
        "--masterkey",
        metavar="FILE",
        help="a file with the master key, which is not read, but left out likewise",
    )
    options.add_name_features(
        parser.add_argument_group("names, where there is no config to say so")
    )
    filters.add_arguments(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    plaindir = arguments.plaindir
    options.check_directory(plaindir)
    config = configs.reverse_config_path(plaindir, arguments.config)
    features = configs.features_or(config, options.name_features(arguments))
    secrets = configs.secret_files(config, options.secret_files(arguments))
    exclude = filters.make_exclude(filters.of_arguments(arguments), plaindir, secrets)
    volume = Volume.open(bytes(MASTER_KEY_SIZE), features)
    source = Source(os.fsencode(plaindir))
    has_config = not config.is_default or os.path.lexists(config.path)
    shown = configs.shown(config, source) if has_config else None
    view = ReverseView(source, volume, shown, exclude=exclude)
    try:
        tally = _Tally(excluded=arguments.excluded, included=arguments.included)
        for item in Survey(view, volume).items():
            tally.add(item)
    finally:
        view.close()
    return tally.finish()


class _Tally:
    """Counts entries, and prints those that were asked for as they come."""

    def __init__(self, *, excluded: bool, included: bool) -> None:
        self._excluded = excluded
        self._included = included
        self._kinds: Counter[str] = Counter()
        self._plain_bytes = self._cipher_bytes = 0
        self._left_out = 0
        self._problems: list[tuple[bytes, str]] = []

    def add(self, item: Item) -> None:
        """Take note of an entry."""
        self._problems += [(item.path, problem) for problem in item.problems]
        if item.verdict.hidden:
            self._left_out += 1
            if self._excluded:
                _print_path("-", item)
        elif item.attrs is not None:
            self._kinds[_kind(item.attrs.mode)] += 1
            if S_ISREG(item.attrs.mode):
                self._plain_bytes += item.plain_size
                self._cipher_bytes += item.attrs.size
            if self._included:
                _print_path("+", item)

    def finish(self) -> ExitCode:
        """Print the sums, then what cannot be shown."""
        kinds = ", ".join(f"{self._kinds[kind]} {kind}" for kind in _KINDS)
        sums = [
            f"shown: {kinds}",
            f"  {human(self._plain_bytes)} of content",
            f"  {human(self._cipher_bytes)} when encrypted",
            f"left out: {self._left_out}, and what is in them",
            f"cannot be shown as they are: {len(self._problems)}",
        ]
        output.write("".join(f"{line}\n" for line in sums).encode())
        for path, problem in self._problems:
            output.write(b"  %b: %b\n" % (path, problem.encode()))
        return ExitCode.FINDINGS if self._problems else ExitCode.OK


_KINDS = ("files", "directories", "links", "others")


def _kind(mode: int) -> str:
    if S_ISREG(mode):
        return "files"
    if S_ISDIR(mode):
        return "directories"
    return "links" if S_ISLNK(mode) else "others"


def _print_path(sign: str, item: Item) -> None:
    rule = "" if item.verdict.rule is None else f"\t{item.verdict.rule}"
    output.write(f"{sign} ".encode() + item.path + os.fsencode(rule) + b"\n")
