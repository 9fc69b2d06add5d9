"""`revcrypt restore`: decrypt a backup, or some of it, into a directory."""

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from revcrypt.cli import backups, findings, options
from revcrypt.cli.backups import Backup
from revcrypt.cli.findings import Findings, progress
from revcrypt.cli.sizes import human
from revcrypt.errors import DestinationError, ExitCode
from revcrypt.rescue.restore import Options, Restore, Tally, Zeroed
from revcrypt.rescue.target import Target
from revcrypt.rescue.walk import Choice, measure, suggest
from revcrypt.view.findings import Kind, printable

NAME = "restore"
SUMMARY = "decrypt a backup, or some of it, into a directory; needs no FUSE and no root"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    backups.add_arguments(parser)
    parser.add_argument(
        "dest",
        metavar="DEST",
        help="a directory, which is made if there is none; what is there and matches by "
        "size and time is left alone, so an interrupted restore goes on",
    )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        help="what to restore, by plain paths from the root of the backup; may contain "
        "wildcards as in .gitignore, such as 'home/*/Documents' or '**/*.odt' "
        "(default: everything)",
    )
    parser.add_argument(
        "--salvage",
        action="store_true",
        help="restore damaged files, too, with zeros for what is lost, and what was "
        "moved or has lost its name; a report next to DEST says where",
    )
    parser.add_argument(
        "--privileged",
        action="store_true",
        help="restore devices, setuid bits and capabilities, if you trust the backup",
    )
    findings.add_arguments(parser)
    options.add_quiet(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    options.set_level(arguments)
    choice = Choice(os.fsencode(path) for path in arguments.paths)
    jobs = options.jobs(arguments)
    backup = backups.open_backup(arguments)
    shown = Findings(as_json=arguments.json, are_asked_for=False)
    if backup.strict and backup.is_in_place is False:
        log.warning(
            "nothing here is where a reverse view would have it, so nobody can tell "
            "whether anything was moved"
        )
    with (
        closing(backup.view(shown.report, keeps_all=arguments.salvage)) as view,
        _destination(arguments.dest, backup) as target_fd,
        closing(Target(target_fd, is_privileged=arguments.privileged)) as target,
    ):
        restore = Restore(
            view,
            target,
            choice,
            Options(
                in_place=backup.checks_places,
                salvage=arguments.salvage,
                workers=jobs,
            ),
            shown.report,
        )
        is_counted = choice.is_all and (arguments.json or findings.is_shown())
        total = measure(view) if is_counted else None
        with progress("restoring", shown, total) as on_tick:
            tally = restore.run(on_tick)
        for pattern in sorted(choice.unused):
            close = None if choice.is_glob(pattern) else suggest(view, pattern)
            shown.fail(Kind.MISSING, pattern, _missing(close))
    if tally.zeroed:
        _write_report(arguments.dest, tally.zeroed)
    _summarise(tally, shown)
    return shown.exit_code


def _missing(close: str | None) -> str:
    text = "there is nothing of this name in the backup"
    return text if close is None else f"{text}; did you mean {close}?"


@contextmanager
def _destination(dest: str, backup: Backup) -> Iterator[int]:
    """Open the destination, making it if need be; raises `DestinationError`."""
    inner, outer = os.path.realpath(dest), os.path.realpath(backup.path)
    if os.path.commonpath([inner, outer]) in (inner, outer):
        raise DestinationError(
            f"{dest} and {backup.path} overlap",
            hint="restore into a directory that has nothing to do with the backup",
        )
    try:
        os.makedirs(dest, mode=0o700, exist_ok=True)
        fd = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DestinationError(
            f"cannot restore into {dest}: {error.strerror}",
            hint="name a directory that you may write to, or one that does not exist",
        ) from None
    try:
        yield fd
    finally:
        os.close(fd)


def _write_report(dest: str, zeroed: list[Zeroed]) -> None:
    """Say next to the destination which bytes are zeros because they are lost."""
    path = os.path.abspath(dest) + ".salvage.txt"
    lines = [
        f"{printable(zero.path)}: from byte {zero.offset} on, {zero.size} are zeros\n"
        for zero in _merged(zeroed)
    ]
    try:
        # A link or FIFO may wait there, and the names are not for everybody.
        with suppress(FileNotFoundError):
            os.unlink(path)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise DestinationError(
            f"everything is restored, but the report {path} cannot be written: "
            f"{error.strerror}"
        ) from None
    log.info("%s says which bytes are lost", path)


def _merged(zeroed: list[Zeroed]) -> Iterator[Zeroed]:
    last: Zeroed | None = None
    for zero in sorted(zeroed, key=lambda zero: (zero.path, zero.offset)):
        if last is None:
            last = zero
        elif (last.path, last.offset + last.size) == (zero.path, zero.offset):
            last = Zeroed(last.path, last.offset, last.size + zero.size)
        else:
            yield last
            last = zero
    if last is not None:
        yield last


def _summarise(tally: Tally, shown: Findings) -> None:
    if shown.as_json:
        shown.write(
            {
                "type": "summary",
                "files": tally.files,
                "bytes": tally.size,
                "unchanged": tally.unchanged,
                "others": tally.others,
                "findings": shown.harmful,
                "healed": shown.healed,
            }
        )
        return
    log.info(
        "restored %d files, %s, and %d directories, links and others; "
        "%d files were there already",
        tally.files,
        human(tally.size),
        tally.others,
        tally.unchanged,
    )
    if shown.harmful:
        log.warning("problems, listed above: %d", shown.harmful)
        damaged = shown.kinds[Kind.CONTENT] + shown.kinds[Kind.MISPLACED]
        if damaged and not tally.zeroed:
            log.info(
                "--salvage restores what is left of damaged files, and what is not in "
                "its place"
            )
