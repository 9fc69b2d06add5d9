"""revcrypt@.service: where the passphrase comes from, and what if it does not."""

import pytest

from tests.support import PASSPHRASE
from tests.systemd import views
from tests.systemd.machine import Machine
from tests.systemd.views import unit

pytestmark = pytest.mark.systemd

CREDENTIAL = "/etc/revcrypt/data.cred"
PLAIN = "LoadCredential=passphrase:/etc/revcrypt/%i.cred"


def encrypt(machine: Machine, passphrase: str) -> None:
    """Write the passphrase, encrypted with the key of the machine."""
    command = ("systemd-creds", "encrypt", "--with-key=host", "--name=passphrase")
    machine.run(*command, "-", CREDENTIAL, stdin=passphrase + "\n")


def start_and_fail(machine: Machine, status: str, message: str) -> None:
    """Check that a start fails at once, and for good."""
    machine.systemctl("start", unit(), status=1)
    views.check_failed(machine, "data", status, message)


def test_an_encrypted_credential_opens_the_view(machine: Machine) -> None:
    """No file of the machine holds the passphrase in clear."""
    views.describe(machine)
    encrypt(machine, PASSPHRASE)
    assert PASSPHRASE not in machine.path(CREDENTIAL).read_text()
    expected = views.start(machine)
    views.check_serving(machine, "data", expected)


def test_a_plain_credential_opens_the_view(machine: Machine) -> None:
    """With the drop-in that the unit's comments tell, the file need not be encrypted."""
    views.describe(machine)
    machine.write(CREDENTIAL, PASSPHRASE + "\n", mode=0o600)
    machine.drop_in(unit(), PLAIN)
    expected = views.start(machine)
    views.check_serving(machine, "data", expected)


def test_a_passfile_needs_no_credential(machine: Machine) -> None:
    """The credential is optional, and the passfile is what counts."""
    views.describe_with_passfile(machine)
    expected = views.start(machine)
    machine.systemctl("stop", unit())
    encrypt(machine, "another passphrase")
    assert views.start(machine) == expected


def test_neither_credential_nor_passfile_is_a_failure(machine: Machine) -> None:
    """A service without a passphrase says so and is not tried again."""
    views.describe(machine)
    start_and_fail(machine, "9", "empty passphrase")


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_wrong_passphrase_is_a_failure(machine: Machine, encrypted: bool) -> None:
    """A service with a wrong passphrase says so and is not tried again."""
    views.describe(machine)
    if encrypted:
        encrypt(machine, "wrong")
    else:
        machine.write(CREDENTIAL, "wrong\n", mode=0o600)
        machine.drop_in(unit(), PLAIN)
    start_and_fail(machine, "12", "passphrase")


def test_a_credential_of_another_machine_is_a_failure(machine: Machine) -> None:
    """What does not decrypt is not taken for missing, nor for the passphrase."""
    views.describe(machine)
    machine.write(CREDENTIAL, PASSPHRASE + "\n", mode=0o600)
    start_and_fail(machine, "243", "Failed to set up credentials")


def test_a_missing_description_is_a_failure(machine: Machine) -> None:
    """A service of no view says which file it misses, and is not tried again."""
    start_and_fail(machine, "23", "/etc/revcrypt/data.toml")
