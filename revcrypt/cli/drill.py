"""`revcrypt drill`: prove that a backup of a source could be restored, and say so."""

import argparse
import os
import secrets as random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from tempfile import TemporaryDirectory

from revcrypt import __version__
from revcrypt.cli import (
    configs,
    filters,
    memory,
    options,
    output,
    proven,
    recovery_files,
    reverse,
    views,
)
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.secrets import read_master_key, read_private_key
from revcrypt.cli.sizes import human
from revcrypt.errors import (
    DestinationError,
    ExitCode,
    MasterKeyError,
    UsageError,
    UserError,
)
from revcrypt.format.config import Config
from revcrypt.format.keys import fingerprint
from revcrypt.format.volume import Volume
from revcrypt.rescue.drill import Drill, Result, Tree, take_sample

NAME = "drill"
SUMMARY = "prove on a random sample that a backup can be restored, and print the result"

_SAMPLE = 100
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the master key: *open* gets the directory with a sample of a backup."""

    name: str
    open: Callable[[str], Key]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one way."""

    way: str
    result: Result | None
    problem: str | None
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether something was opened, and all of it was right."""
        result = self.result
        return (
            result is not None
            and not result.differences
            and result.files + result.others > 0
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument("plaindir", metavar="PLAINDIR", help="the directory to back up")
    options.add_passphrase(parser)
    parser.add_argument(
        "--masterkey",
        metavar="FILE",
        help="try the master key, too, from FILE or from stdin (-), as typed from paper; "
        "if there is no passphrase, --proof has to prove it",
    )
    parser.add_argument(
        "--recovery-key",
        metavar="PEM",
        help="try the recovery file that the view shows, too, with this private key",
    )
    proven.add_proof(parser)
    parser.add_argument(
        "--sample",
        metavar="N",
        type=int,
        default=_SAMPLE,
        help="how many files, directories and links to restore (default: %(default)s); "
        "they are encrypted into a directory below TMPDIR",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        help="what decides which ones, to repeat a drill (default: chance)",
    )
    reverse.add_view(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    if arguments.sample < 1:
        raise UsageError(f"--sample is {arguments.sample}, not 1 or more")
    plaindir = arguments.plaindir
    options.check_directory(plaindir)
    config_path = configs.reverse_config_path(plaindir, arguments.config)
    data, config = configs.read_whole(config_path, reverse.flags(arguments))
    key, ways = _ways(arguments, config_path, config)
    proof = proven.establish(key, config_path, arguments.proof)
    seed = random.randbelow(1 << 32) if arguments.seed is None else arguments.seed
    began = datetime.now().astimezone()
    try:
        with TemporaryDirectory(prefix="revcrypt-drill-") as directory:
            exclude = filters.make_exclude(
                filters.of_arguments(arguments),
                plaindir,
                configs.secret_files(
                    config_path,
                    options.secret_files(arguments),
                    show_config=arguments.show_config,
                ),
            )
            volume = Volume.open(key.master_key, config.features)
            memory.lock()
            shown = config_path if arguments.show_config else None
            view = views.reverse_view(plaindir, volume, shown, exclude=exclude)
            with closing(view):
                tree = take_sample(view, arguments.sample, seed)
                drill = Drill(view, directory)
                drill.seal(tree.sample)
                outcomes = [_try(way, directory, drill, key) for way in ways]
    except OSError as error:
        raise DestinationError(
            f"cannot write the sample: {error.strerror}",
            hint="set TMPDIR to a directory with more room, or take a smaller --sample",
        ) from None
    is_good = not drill.unreadable and all(outcome.is_good for outcome in outcomes)
    facts = [
        ("date", began.isoformat(timespec="seconds")),
        ("host", socket.gethostname()),
        ("program", f"revcrypt {__version__}"),
        ("source", os.path.realpath(plaindir)),
        ("config", config_path.path),
        ("sha256", sha256(data).hexdigest()),
        ("master key", f"fingerprint {fingerprint(key.master_key)}"),
        ("proven", proof),
        ("tree", _describe(tree)),
        ("sample", f"{len(tree.sample)} objects, seed {seed}"),
    ]
    _print(facts, outcomes, drill, is_good=is_good)
    return ExitCode.OK if is_good else ExitCode.FINDINGS


def _ways(
    arguments: argparse.Namespace, path: ConfigPath, config: Config
) -> tuple[Key, list[Way]]:
    """Return the master key and the ways to it that are at hand."""
    source = options.passphrase_source(arguments)
    found: list[Key] = []
    ways: list[Way] = []
    key_path = arguments.recovery_key
    if source.is_named or (arguments.masterkey is None and key_path is None):
        secret = source.read(new=False)
        opened = configs.open_with(config, secret)
        found.append(Key(opened, config.features, is_proven=True))

        def by_passphrase(directory: str) -> Key:
            """Open the config as a backup has it, if it has one."""
            shown = configs.forward_config_path(directory, None)
            held = configs.read(shown if arguments.show_config else path)
            return Key(configs.open_with(held, secret), held.features, is_proven=True)

        ways.append(Way("passphrase", by_passphrase))
    if arguments.masterkey is not None:
        typed = Key(
            read_master_key(arguments.masterkey), config.features, is_proven=False
        )
        found.append(typed)
        ways.append(Way("master key", lambda _: typed))
    if key_path is not None:
        # Once, as it may ask for a passphrase.
        private_key = read_private_key(key_path)

        def beside(config: ConfigPath) -> Key:
            paths = recovery_files.find_sealed(config, None)
            return recovery_files.open_sealed(paths, private_key, key_path)

        def by_recovery_key(directory: str) -> Key:
            """Open the recovery file as a backup has it."""
            return beside(configs.forward_config_path(directory, None))

        if not found:
            found.append(beside(path))
        ways.append(Way("recovery key", by_recovery_key))
    return found[0], ways


def _try(way: Way, directory: str, drill: Drill, expected: Key) -> Outcome:
    start = time.monotonic()
    result = problem = None
    try:
        key = way.open(directory)
        if key.master_key != expected.master_key:
            raise MasterKeyError(
                "it is another master key, mistyped or of another backup; its "
                f"fingerprint is {fingerprint(key.master_key)}"
            )
        result = drill.open(Volume.open(key.master_key, key.features))
    except UserError as error:
        problem = str(error)
    return Outcome(way.name, result, problem, time.monotonic() - start)


def _describe(tree: Tree) -> str:
    return (
        f"{tree.files} files, {human(tree.size)}, {tree.directories} directories, "
        f"{tree.links} links"
    )


def _print(
    facts: list[tuple[str, str]],
    outcomes: list[Outcome],
    drill: Drill,
    *,
    is_good: bool,
) -> None:
    lines = ["Restore drill of an encrypted backup", ""]
    lines += [f"{label + ':':12}{text}" for label, text in facts]
    for outcome in outcomes:
        lines += ["", f"opened with the {outcome.way}, in {outcome.seconds:.1f} s:"]
        lines += [f"    {line}" for line in _report(outcome)]
    if drill.unreadable:
        lines += ["", f"could not be read, so no backup has it: {len(drill.unreadable)}"]
        lines += [f"    {line}" for line in drill.unreadable[:_MOST_SHOWN]]
    if not drill.has_xattrs:
        lines += ["", "TMPDIR cannot hold the extended attributes; none were compared."]
    lines += ["", f"verdict: {'PASSED' if is_good else 'FAILED'}"]
    for line in lines:
        output.write_line(line)


def _report(outcome: Outcome) -> Iterator[str]:
    result = outcome.result
    if result is None:
        yield f"nothing: {outcome.problem}"
        return
    yield f"files compared:        {result.files}, {human(result.size)}"
    yield f"links and directories: {result.others}"
    yield f"extended attributes:   {result.xattrs}"
    yield f"changed meanwhile:     {result.changed}"
    yield f"differences:           {len(result.differences)}"
    yield from result.differences[:_MOST_SHOWN]
