"""`revcrypt recovery list`: whose private keys open a backup; no key is needed."""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import Any

from revcrypt.cli import configs, proven, recovery_files
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import ExitCode
from revcrypt.recovery import certificates
from revcrypt.recovery.envelope import Recipient
from revcrypt.recovery.register import Register

NAME = "list"
SUMMARY = "say whose private keys open the backup; no key is needed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    proven.add_config(parser)
    parser.add_argument("--json", action="store_true", help="write JSON to stdout")


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    files = RecoveryFiles.of(configs.any_config_path(arguments.config))
    register = files.register()
    paths = files.all_sealed()
    if not paths:
        raise files.missing_error()
    found = {
        path: list(_recipients(register, recovery_files.read_envelope(path).recipients))
        for path in paths
    }
    if arguments.json:
        print(json.dumps(_fields(register, found), indent=2))
        return ExitCode.OK
    for path, recipients in found.items():
        print(f"{path} is opened by the private key of")
        for recipient in recipients:
            print(f"    {recipient['name']}")
            if recipient["sha256"] is not None:
                print(f"        SHA-256 {recipient['sha256']}")
                print(f"        valid until {recipient['valid_until']}")
    for epoch in register.epochs:
        until = f"until {epoch.until}" if epoch.until else "now"
        print(
            f"epoch {epoch.number}, {until}: master key fingerprint {epoch.fingerprint}"
        )
    for certificate in register.certificates:
        recovery_files.warn_of_validity(certificate)
    return ExitCode.OK


def _recipients(
    register: Register, recipients: Sequence[Recipient]
) -> Iterator[dict[str, str | None]]:
    for recipient in recipients:
        match = recipient.among(register.certificates)
        if not match:
            unknown = f"a certificate with the serial number {recipient.serial:x}"
            yield {"name": unknown, "sha256": None, "valid_until": None}
            continue
        yield {
            "name": certificates.name(match[0]),
            "sha256": certificates.fingerprint(match[0]),
            "valid_until": f"{match[0].not_valid_after_utc:%Y-%m-%d}",
        }


def _fields(
    register: Register, found: dict[str, list[dict[str, str | None]]]
) -> dict[str, Any]:
    return {
        "files": [
            {"path": path, "recipients": recipients} for path, recipients in found.items()
        ],
        "epochs": [
            {
                "number": epoch.number,
                "until": epoch.until,
                "fingerprint": epoch.fingerprint,
            }
            for epoch in register.epochs
        ],
    }
