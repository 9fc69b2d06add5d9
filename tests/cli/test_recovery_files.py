"""The recovery files: lost, damaged, in archives, and half written."""

import os
from pathlib import Path

import pytest

from revcrypt.cli import configs
from revcrypt.cli.recovery_files import (
    MOST_ARCHIVES,
    RecoveryFiles,
    open_text,
    read_envelope,
)
from revcrypt.errors import ExitCode
from revcrypt.recovery import envelope
from revcrypt.recovery.register import Register
from revcrypt.view.source import Source
from tests.certificates import NAMES, person
from tests.cli.recovering import REGISTER, SEALED, add, case, certificate, check
from tests.cli.rescuing import REVERSE_CONFIG, Case, rescue
from tests.kills import Killer, killed_at_every_write
from tests.support import KEY

__all__ = ["case"]


def test_a_lost_register(case: Case) -> None:
    """Nobody is dropped silently: what cannot be sealed again is asked for."""
    add(case, "ada", "grace")
    (case.plain / f"{REVERSE_CONFIG}.recovery.pem").unlink()
    said = add(case, "edith", status=ExitCode.RECOVERY)
    assert "is not in" in said
    add(case, *NAMES)
    for name in NAMES:
        check(case, name, f"--config={case.plain}")


def test_only_a_register_is_shown_as_one(case: Case) -> None:
    """Nothing that somebody has put into its place leaves the server in clear."""
    path = case.plain / f"{REVERSE_CONFIG}.recovery.pem"
    config = configs.reverse_config_path(str(case.plain), None)
    ada = person("ada")
    register = Register((ada.certificate,)).pack()
    source = Source(os.fsencode(case.plain))
    for content, is_shown in (
        (b"dear all\n", False),
        (ada.pem() + ada.private_pem(), False),
        (register + b"dear all\n", False),
        (register, True),
    ):
        path.write_bytes(content)
        shown = configs.shown(config, source)
        assert shown is not None
        assert shown.shows(os.fsencode(REGISTER)) == is_shown
    source.close()


def test_verify_tells_of_a_damaged_file(case: Case) -> None:
    """A recovery file that is no envelope any more is found long before it is needed."""
    add(case, "ada")
    copy = case.pull()
    sealed = copy / SEALED
    sealed.chmod(0o600)
    whole = sealed.read_bytes()
    for bad in (b"", whole[:-1], whole + b"x"):
        sealed.write_bytes(bad)
        said = rescue("verify", "-j1", case.passphrase, copy, status=ExitCode.FINDINGS)
        assert os.fsdecode(said.stdout).count(SEALED) == 1
    sealed.write_bytes(whole)
    rescue("verify", "-j1", case.passphrase, copy)


def archive_of(files: RecoveryFiles, epoch: int, date: str) -> str:
    """Return where the master key of an epoch that ended at *date* is."""
    return f"{files.path}.epoch-{epoch}.{date}.recovery.p7m"


def test_archives_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The latest come first, also of one epoch, and nobody has to try thousands."""
    files = RecoveryFiles(str(tmp_path / "x.conf"))
    dates = ["2026-11-26", "2026-01-02", "2027-01-01", "2026-11-27"]
    made = [archive_of(files, epoch, date) for epoch in (2, 10) for date in dates]
    for path in made:
        Path(path).touch()
    expected = [
        archive_of(files, n, date) for n in (10, 2) for date in sorted(dates)[::-1]
    ]
    assert files.archives() == expected
    assert caplog.records == []
    for epoch in range(11, 11 + MOST_ARCHIVES):
        Path(archive_of(files, epoch, dates[0])).touch()
    assert len(files.archives()) == MOST_ARCHIVES
    assert files.archives()[-1] == archive_of(files, 11, dates[0])
    assert "only the latest 256" in caplog.text


def test_what_cannot_be_read_is_named_once(case: Case) -> None:
    """A damaged link, for example."""
    sealed = case.plain / f"{REVERSE_CONFIG}.recovery.p7m"
    sealed.symlink_to("nowhere")
    said = check(case, "ada", f"--config={case.plain}", status=ExitCode.RECOVERY)
    assert f"error: {sealed}: cannot read it: " in said
    assert said.count(sealed.name) == 1


def test_an_archive_of_a_removed_key(case: Case) -> None:
    """Whether one that does not open is damaged, the certificate would tell."""
    add(case, "ada", "grace")
    files = RecoveryFiles(str(case.plain / REVERSE_CONFIG))
    archive = Path(archive_of(files, 1, "2026-11-26"))
    config = f"--config={case.plain}"
    for names, said_of_it in (
        (("ada",), "is damaged"),
        (("grace",), "is not sealed for this key, or damaged"),
    ):
        sealed = envelope.seal(b"no text", [person(name).certificate for name in names])
        archive.write_bytes(sealed)
        status = ExitCode.FINDINGS if names == ("ada",) else ExitCode.OK
        assert f"{archive} {said_of_it}\n" in check(case, "ada", config, status=status)
        if names == ("ada",):
            rescue("recovery", "remove", config, case.passphrase, "grace")


def test_killed_at_every_write(case: Case, killer: Killer) -> None:
    """Whenever `add` or `remove` is killed, whoever could open it still can."""
    files = [f"{REVERSE_CONFIG}.recovery.{kind}" for kind in ("p7m", "pem")]
    add(case, "ada", "grace")
    before = {name: (case.plain / name).read_bytes() for name in files}

    def prepare() -> None:
        for path in case.plain.glob(".gocryptfs.reverse.conf.*"):
            path.unlink()
        for name, content in before.items():
            (case.plain / name).write_bytes(content)

    options = [f"--config={case.plain}", case.passphrase]
    for words, who in (
        (["add", *options, certificate(case, "edith")], {"ada", "grace", "edith"}),
        (["remove", *options, "grace"], {"ada"}),
    ):
        kept = {"ada", "grace"} & who
        for end in killed_at_every_write(killer, ["recovery", *words], prepare):
            register = RecoveryFiles(str(case.plain / REVERSE_CONFIG)).register()
            sealed = case.plain / f"{REVERSE_CONFIG}.recovery.p7m"
            for name in kept if end.was_killed else who:
                text = open_text(str(sealed), person(name).key)
                assert text is not None
                assert text.master_key == KEY
            # Whoever it is sealed for can be sealed for again.
            for recipient in read_envelope(str(sealed)).recipients:
                assert any(map(recipient.is_for, register.certificates))
        check(case, "ada", *options)
