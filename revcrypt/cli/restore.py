"""`revcrypt restore`: decrypt a backup, or some of it, into a directory."""

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count

from revcrypt.cli import backups, findings, options
from revcrypt.cli.backups import Backup
from revcrypt.cli.findings import Findings, progress
from revcrypt.cli.sizes import human
from revcrypt.errors import DestinationError, ExitCode
from revcrypt.rescue.restore import Restore
from revcrypt.rescue.restore_files import Options, Tally, Zeroed
from revcrypt.rescue.target import Target
from revcrypt.rescue.walk import Choice, measure, suggest
from revcrypt.view.findings import Kind, printable
from revcrypt.view.source import open_regular

NAME = "restore"
SUMMARY = "decrypt a backup, or some of it, into a directory; needs no FUSE and no root"

_REPORT_TITLE = "What revcrypt could not bring back, by plain path:"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    backups.add_arguments(parser)
    parser.add_argument(
        "dest",
        metavar="DEST",
        help="a directory, which is made if there is none; what is there and matches by "
        "size and time is left alone, so an interrupted restore goes on; anything else "
        "of the same name is replaced, be it older or newer",
    )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
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
    backup.warn_of_places()
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
                in_place=backup.strict,
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
    if arguments.salvage and shown.losses:
        _write_report(arguments.dest, tally, shown)
    elif choice.is_all and not shown.losses:
        _remove_report(f"{os.path.abspath(arguments.dest)}.salvage.txt")
    _summarise(tally, shown, salvage=arguments.salvage)
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


def _write_report(dest: str, tally: Tally, shown: Findings) -> None:
    """Say next to the destination what was salvaged and is not right, or is not there."""
    lines = [
        (zero.path, f"from byte {zero.offset} on, {zero.size} are zeros")
        for zero in _merged(tally.zeroed)
    ]
    zeroed = {path for path, _ in lines}
    lines += [
        (loss.plain_path or loss.cipher_path, loss.text)
        for loss in shown.losses
        if loss.plain_path not in zeroed
    ]
    path = _report_path(dest)
    try:
        # The names are not for everybody.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(f"{_REPORT_TITLE}\n")
            file.writelines(
                f"{printable(plain_path)}: {text}\n" for plain_path, text in sorted(lines)
            )
    except OSError as error:
        raise DestinationError(
            f"everything is restored, but the report {path} cannot be written: "
            f"{error.strerror}"
        ) from None
    log.info("%s says what is not right", path)


def _report_path(dest: str) -> str:
    """Return where the report goes: what is there, and is no report, stays."""
    for number in count(1):
        suffix = "" if number == 1 else f"-{number}"
        path = f"{os.path.abspath(dest)}.salvage{suffix}.txt"
        if not os.path.lexists(path) or _remove_report(path):
            break
    return path


def _remove_report(path: str) -> bool:
    """Remove an earlier report; tell whether it was one."""
    try:
        fd, _ = open_regular(None, os.fsencode(path))
    except OSError:
        return False
    with open(fd, "rb") as file:
        if file.readline(len(_REPORT_TITLE) + 1).decode() != f"{_REPORT_TITLE}\n":
            return False
    with suppress(OSError):
        os.unlink(path)
        return True
    return False


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


def _summarise(tally: Tally, shown: Findings, *, salvage: bool) -> None:
    if shown.as_json:
        shown.write(
            {
                "type": "summary",
                "files": tally.files,
                "replaced": tally.replaced,
                "bytes": tally.size,
                "unchanged": tally.unchanged,
                "others": tally.others,
                "escaping_links": tally.escaping,
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
    if tally.replaced:
        log.info(
            "in the place of other files of the same name, which are gone: %d",
            tally.replaced,
        )
    if tally.escaping:
        log.info(
            "symlinks that lead out of what was restored, and were not followed: %d",
            tally.escaping,
        )
    if shown.harmful:
        log.warning("problems that were not put right: %d", shown.harmful)
        if shown.losses and not salvage:
            log.info(
                "--salvage restores what is left of damaged files, and what has lost its "
                "name or place"
            )
