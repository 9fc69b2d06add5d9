"""Every failure, once: what it means, how it is told and the program's exit status.

Two families share one root. A `UserError` ends the program: it carries an exit code
that scripts may rely on and, where there is one, a hint naming the next step. A
`DataError` concerns one object in a tree; it becomes an errno (`revcrypt.fuse.errnos`)
and never ends anything.
"""

from enum import IntEnum, unique


@unique
class ExitCode(IntEnum):
    """Exit statuses; the numbers are gocryptfs's, so that scripts carry over.

    Those from 40 on are for what gocryptfs does not do.
    """

    OK = 0
    USAGE = 1
    SOURCE = 6
    CONFIG_EXISTS = 7
    PASSPHRASE_UNREADABLE = 9
    MOUNTPOINT = 10
    OTHER = 11
    PASSPHRASE_WRONG = 12
    SCRYPT = 13
    MASTER_KEY = 14
    INTERRUPTED = 15
    MOUNT_FAILED = 19
    CONFIG_UNREADABLE = 23
    CONFIG_UNWRITABLE = 24
    FINDINGS = 26
    CONFIG_INVALID = 27
    FILTER = 29
    DESTINATION = 40
    RECOVERY = 41
    NOT_ANSWERING = 42


class RevcryptError(Exception):
    """Root of everything that revcrypt raises on purpose."""


class UserError(RevcryptError):
    """Something the person at the keyboard can act on.

    *hint* is one line that names the next step.
    """

    exit_code = ExitCode.OTHER

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(UserError):
    """The command line asks for something impossible or contradictory."""

    exit_code = ExitCode.USAGE


class SourceError(UserError):
    """The directory to show (plaindir or cipherdir) is missing or is not one."""

    exit_code = ExitCode.SOURCE


class ConfigExistsError(UserError):
    """`init` found a config where it was about to write one."""

    exit_code = ExitCode.CONFIG_EXISTS


class PassphraseUnreadableError(UserError):
    """No passphrase could be obtained: missing or empty file, failed program."""

    exit_code = ExitCode.PASSPHRASE_UNREADABLE


class MountpointError(UserError):
    """The mountpoint is missing, is not empty, or overlaps the source."""

    exit_code = ExitCode.MOUNTPOINT


class NotAnsweringError(UserError):
    """A view is mounted, and says nothing: it is still starting, or hangs."""

    exit_code = ExitCode.NOT_ANSWERING


class PassphraseWrongError(UserError):
    """The passphrase does not open the master key."""

    exit_code = ExitCode.PASSPHRASE_WRONG


class ScryptCostError(UserError):
    """The scrypt parameters need more memory than this machine has."""

    exit_code = ExitCode.SCRYPT


class MasterKeyError(UserError):
    """A master key was given that is not 32 bytes of hex."""

    exit_code = ExitCode.MASTER_KEY


class MountFailedError(UserError):
    """The kernel or fusermount3 refused the mount."""

    exit_code = ExitCode.MOUNT_FAILED


class ConfigUnreadableError(UserError):
    """The config is missing, empty, or is not a config at all."""

    exit_code = ExitCode.CONFIG_UNREADABLE


class ConfigUnwritableError(UserError):
    """The config cannot be written, or what it should say is contradictory."""

    exit_code = ExitCode.CONFIG_UNWRITABLE


class ConfigInvalidError(UserError):
    """The config can be read, but says something impossible or unsupported."""

    exit_code = ExitCode.CONFIG_INVALID


class FilterError(UserError):
    """What is to be left out cannot be understood, or its file cannot be read."""

    exit_code = ExitCode.FILTER


class RecoveryError(UserError):
    """A recovery file, certificate or private key cannot be used."""

    exit_code = ExitCode.RECOVERY


class DestinationError(UserError):
    """What is restored cannot be written: a bad destination, or a full disk."""

    exit_code = ExitCode.DESTINATION


class UnwritableError(RevcryptError):
    """One object cannot be written where it belongs; others can."""


class WorkerError(UserError):
    """A worker process has died."""


class OutputError(UserError):
    """What was asked for cannot be written to stdout."""


class ReaderGoneError(RevcryptError):
    """Nobody reads what we write to stdout any more."""


class DataError(RevcryptError):
    """One object of a tree cannot be shown as it should be."""


class BadNameError(DataError):
    """A name that this key and directory never produce: it does not exist."""


class MalformedError(DataError):
    """Bytes that are not of the format: a header, a directory IV, a size."""


class AuthenticationError(DataError):
    """A block, link target or attribute that does not authenticate."""


class SourceChangedError(DataError):
    """The file under an open handle is no longer what the handle promised."""


class StaleNodeError(DataError):
    """The path of a node leads to another object by now; look it up again."""


class NoAttributeError(DataError):
    """The object has no extended attribute of that name."""
