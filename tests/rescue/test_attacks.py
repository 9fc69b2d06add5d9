"""The attack catalogue: what the bytes of a backup allow to find is found.

`pytest -s` shows the table, which is `docs/attacks.md`.
"""

import os
import subprocess
from pathlib import Path

import pytest

from revcrypt.errors import ExitCode
from revcrypt.format.config import Features
from tests.counts import Counted
from tests.rescue import attacks
from tests.rescue.attacks_backup import Backup, Copy, make_backup
from tests.rescue.attacks_config import CONFIG
from tests.rescue.attacks_judges import (
    Court,
    Run,
    apart,
    call,
    differences,
    restore,
    verify,
)
from tests.rescue.attacks_kinds import Attack, Group, Verdict
from tests.support import KEY, Mounts, write_secret
from tests.view.trees import ENCRYPTED

DOCUMENT = Path(__file__).parents[2] / "docs" / "attacks.md"
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make devices and give files away"
)
CLEAN = {
    "default": ENCRYPTED,
    "plaintext": Features(plaintext_names=True, dir_iv=False, raw64=False),
    "deterministic, short": Features(dir_iv=False, long_name_max=62),
}


def label(case: tuple[Group, Attack]) -> str:
    """Return what a test of an attack is called."""
    group, attack = case
    return f"{group.letter}-{attack.name}"


@pytest.fixture(scope="module")
def court(tmp_path_factory: pytest.TempPathFactory) -> Court:
    """A backup, and a place to try attacks on it."""
    backup = make_backup(tmp_path_factory.mktemp("backup"))
    return Court(backup, tmp_path_factory.mktemp("court"))


@needs_root
@pytest.mark.parametrize("case", attacks.CASES, ids=label)
def test_attack(court: Court, case: tuple[Group, Attack], counted: Counted) -> None:
    """Verify, compare and restore say of an attack what the catalogue says."""
    counted("attacks on a backup", 1)
    group, attack = case
    assert court.ours(group, attack) == attack.ours, attack.why


@needs_root
@pytest.mark.fuse
def test_gocryptfs(court: Court) -> None:
    """The catalogue says of gocryptfs what Debian's does, side by side."""
    found = dict(zip(map(label, attacks.CASES), court.theirs(attacks.CASES)))
    assert found == {label(case): case[1].theirs for case in attacks.CASES}


def test_only_source_tells() -> None:
    """What a copy alone does not show, the comparison with the source does."""
    for case in attacks.CASES:
        ours = case[1].ours
        assert ours.against is not Verdict.MISSED, label(case)
        if ours.restore is Verdict.MISSED:
            assert ours.verify is Verdict.MISSED, label(case)


def test_kinds() -> None:
    """There are many attacks, and each is there once."""
    labels = set(map(label, attacks.CASES))
    assert len(labels) == len(attacks.CASES) >= 100


def test_document() -> None:
    """`docs/attacks.md` is what the catalogue says, word for word."""
    print(attacks.tables())
    assert DOCUMENT.read_text() == attacks.document()


@needs_root
@pytest.mark.parametrize("attack", CONFIG.attacks, ids=lambda attack: attack.name)
def test_config_is_not_needed(court: Court, tmp_path: Path, attack: Attack) -> None:
    """Whatever is done to a config, the master key alone restores everything."""
    key = tmp_path / "key"
    write_secret(key, KEY.hex())
    copy = court.backup.fresh(tmp_path / "copy")
    attack.change(copy)
    options = [f"--masterkey={key}", f"--config={tmp_path / 'none'}"]
    court.backup.hide_times(copy)
    run = apart(lambda: call("restore", *options, copy.path, tmp_path / "dest"))
    assert run.status == ExitCode.OK
    assert differences(court.backup.source, tmp_path / "dest") == (set(), set())


def check_untouched(backup: Backup, pulled: Path, dest: Path) -> None:
    """Check that no judge has anything to say, good or bad, and that all is restored."""
    copy = Copy(pulled, backup.old)
    for judge in (
        lambda: verify(backup, copy),
        lambda: verify(backup, copy, f"--against={backup.source}", "--metadata"),
        lambda: restore(backup, copy, dest),
    ):
        assert apart(judge) == Run(ExitCode.OK, [], "")
    assert differences(backup.source, dest) == (set(), set())


@pytest.mark.parametrize("features", CLEAN.values(), ids=CLEAN)
def test_untouched(tmp_path: Path, features: Features) -> None:
    """Nothing is found in a backup to which nothing was done."""
    backup = make_backup(tmp_path, features)
    check_untouched(backup, backup.copy, tmp_path / "dest")


@pytest.mark.fuse
def test_untouched_from_gocryptfs(tmp_path: Path, mounts: Mounts) -> None:
    """Nothing is found in what rsync pulls from a view of gocryptfs."""
    backup = make_backup(tmp_path)
    for path in [backup.source, *backup.source.rglob("*")]:
        if not path.is_symlink():
            for name in os.listxattr(path):
                os.removexattr(path, name)  # gocryptfs 2.3 does not show them.
    view = mounts.gocryptfs(backup.source, "view", "-reverse")
    subprocess.run(["rsync", "-aH", f"{view}/", tmp_path / "pulled"], check=True)
    check_untouched(backup, tmp_path / "pulled", tmp_path / "dest")
