"""A thousand random corruptions of a backup, none of which brings out a wrong byte."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from revcrypt.cli.main import make_parser
from revcrypt.errors import ExitCode, UserError
from tests.counts import Counted
from tests.descriptors import own_descriptors
from tests.rescue.corruption import KINDS, Spoiler
from tests.rescue.corruption_oracle import Finding, Oracle, findings_in, signature
from tests.rescue.spoiled_trees import (
    FILES,
    Backup,
    Tree,
    make_backup,
    read_tree,
    write_tree,
)
from tests.support import KEY, write_secret

CASES = 1000
CHUNK = 50
SHM = "/dev/shm"
CONFIG = b"gocryptfs.conf"
REFUSALS = {
    ExitCode.PASSPHRASE_WRONG,
    ExitCode.SCRYPT,
    ExitCode.CONFIG_UNREADABLE,
    ExitCode.CONFIG_INVALID,
}
"""What a spoiled config may end in; a spoiled tree never does."""
PARSER = make_parser()


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Backup:
    """A small backup, in memory."""
    return make_backup(tmp_path_factory.mktemp("backup"), config)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where that can be: a hundred thousand files are written."""
    with TemporaryDirectory(dir=SHM if os.path.isdir(SHM) else tmp_path) as name:
        try:
            os.setxattr(name, "user.test", b"")
        except OSError:
            yield tmp_path  # Linux keeps no such attributes in memory before 6.6.
        else:
            yield Path(name)


def plan(seed: int) -> tuple[Random, list[str]]:
    """Return what is done in a case: mostly one thing, sometimes several."""
    random = Random(seed)
    count = random.choice([1, 1, 1, 2, 3, 6])
    return random, random.choices(list(KINDS), k=count)


class Said(NamedTuple):
    """How a command has ended, and the harmful findings that it has told of."""

    status: ExitCode
    findings: list[Finding]


def run(*words: str | Path) -> Said:
    """Run a command as `main` does, but let what is not meant to be raised come out."""
    arguments = PARSER.parse_args([str(word) for word in words])
    before = own_descriptors()
    with redirect_stdout(StringIO()) as output:
        try:
            status = arguments.run(arguments)
        except UserError as error:
            return Said(error.exit_code, [])
    assert own_descriptors() == before
    return Said(status, findings_in(output.getvalue()))


class Case:
    """A spoiled copy in a directory of its own, and a key to open it."""

    def __init__(self, directory: Path, backup: Backup, passfile: Path) -> None:
        self.directory = directory
        self.backup = backup
        self.copy = directory / "copy"
        self.outside = directory / "outside"
        self.key = f"--passfile={passfile}"
        self.outside.mkdir()
        write_tree(backup.copy, self.copy)

    def restore(self, name: str, *options: str) -> Said:
        """Restore, and check what came of it."""
        dest = self.directory / name
        said = run("restore", "-q", "--json", "-j1", self.key, *options, self.copy, dest)
        if said.status in REFUSALS:
            assert not dest.exists()
            return said
        harmful = ExitCode.FINDINGS if said.findings else ExitCode.OK
        assert said.status == harmful
        restored = read_tree(dest)
        report = Path(f"{dest}.salvage.txt") if options else None
        oracle = Oracle(self.backup, self.copy, restored, said.findings, report)
        assert list(oracle.complaints()) == []
        return said

    def check(self) -> None:
        """Restore in both ways and verify, and see that nothing else is touched."""
        before = signature(self.copy), signature(self.outside)
        said = self.restore("dest")
        if said.status in REFUSALS:
            assert self.is_config_spoiled()
            write_secret(self.directory / "key", KEY.hex())
            self.key = f"--masterkey={self.directory / 'key'}"
            said = self.restore("dest")
        self.restore("salvaged", "--salvage")
        verified = run("verify", "-q", "--json", "-j1", self.key, self.copy)
        assert verified.status in (ExitCode.OK, ExitCode.FINDINGS)
        if said.findings:
            assert verified.status == ExitCode.FINDINGS
            assert verified.findings
        assert (signature(self.copy), signature(self.outside)) == before
        ours = {"copy", "outside", "dest", "salvaged", "salvaged.salvage.txt", "key"}
        assert set(os.listdir(self.directory)) <= ours

    def is_config_spoiled(self) -> bool:
        """Tell whether the config is not what it was."""
        found = read_tree(self.copy).get(CONFIG)
        return found is None or found[:2] != self.backup.copy[CONFIG][:2]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("first", range(0, CASES, CHUNK))
def test_nothing_wrong_is_restored(
    first: int, backup: Backup, passfile: Path, memory: Path, counted: Counted
) -> None:
    """Spoiled anyhow, a backup gives the right bytes or a finding, and nothing else."""
    counted("random corruptions of a backup", CHUNK)
    for seed in range(first, first + CHUNK):
        random, kinds = plan(seed)
        directory = memory / str(seed)
        directory.mkdir()
        case = Case(directory, backup, passfile)
        spoiler = Spoiler(case.copy, case.outside, random)
        for kind in kinds:
            spoiler.spoil(kind)
        try:
            case.check()
        except Exception as error:
            error.add_note(f"seed {seed}: {', '.join(kinds)}")
            raise
        shutil.rmtree(directory)


def test_everything_is_tried() -> None:
    """Each kind of damage is done often, alone and together with others."""
    plans = [kinds for _, kinds in map(plan, range(CASES))]
    alone = Counter(kinds[0] for kinds in plans if len(kinds) == 1)
    together = Counter(kind for kinds in plans if len(kinds) > 1 for kind in kinds)
    for kind in KINDS:
        assert alone[kind] >= 5
        assert together[kind] >= 20


def with_data(name: bytes, data: bytes) -> Callable[[Tree], Tree]:
    return lambda tree: {**tree, name: tree[name]._replace(data=data)}


def without(name: bytes) -> Callable[[Tree], Tree]:
    return lambda tree: {path: found for path, found in tree.items() if path != name}


def with_xattr(name: bytes, value: bytes) -> Callable[[Tree], Tree]:
    return lambda tree: {
        **tree,
        name: tree[name]._replace(xattrs={"user.comment": value}),
    }


BIG = FILES["big"]
WRONG: dict[str, tuple[Callable[[Tree], Tree], str]] = {
    "another byte": (with_data(b"small", b"0123456789"), "content"),
    "content of another file": (with_data(b"exact", bytes(12_288)), "content"),
    "zeros, but fewer are told of": (with_data(b"big", bytes(BIG)), "content"),
    "cut within a block": (with_data(b"zeros", bytes(5000)), "differs"),
    "another target": (with_data(b"link", b"elsewhere"), "leads to"),
    "another value": (with_xattr(b"big", b"dir"), "user.comment"),
    "no attribute": (with_xattr(b"big", b"big"), "differs"),
    "no file": (without(b"dir/deep/one block"), "missing"),
    "no directory": (without(b"empty dir"), "missing"),
    "a stranger": (lambda tree: {**tree, b"new": tree[b"small"]}, "content"),
    "another type": (lambda tree: {**tree, b"fifo": tree[b"small"]}, "type"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_judge_is_strict(case: str, backup: Backup, tmp_path: Path) -> None:
    """What would be wrong in a restore does not pass, and what is right does."""
    write_tree(backup.copy, tmp_path / "copy")
    report = tmp_path / "report"
    report.write_text(f"title\nbig: from byte 0 on, {BIG - 1} are zeros\n")

    def judge(restored: Tree) -> list[str]:
        oracle = Oracle(backup, tmp_path / "copy", restored, [], report)
        return list(oracle.complaints())

    assert judge(backup.source) == []
    damage, word = WRONG[case]
    assert any(word in complaint for complaint in judge(damage(backup.source)))


def test_what_nobody_can_know_passes(backup: Backup, tmp_path: Path) -> None:
    """Files that end with a block may have been longer, and empty ones full."""
    write_tree(backup.copy, tmp_path / "copy")
    restored = dict(backup.source)
    for name, size in ((b"big", 8192), (b"exact", 4096), (b"small", 0)):
        found = restored[name]
        restored[name] = found._replace(data=found.data[:size])
    assert list(Oracle(backup, tmp_path / "copy", restored, [], None).complaints()) == []
