"""`revcrypt recovery check`: prove that a private key opens the backup."""

import argparse
from hashlib import sha256

from revcrypt.cli import configs, options, proven, recovery_files, secrets
from revcrypt.cli.configs import ConfigPath, Key
from revcrypt.cli.recovery_files import RecoveryFiles
from revcrypt.errors import (
    ConfigInvalidError,
    ConfigUnreadableError,
    ExitCode,
    MasterKeyError,
    RecoveryError,
)
from revcrypt.format.keys import fingerprint
from revcrypt.recovery.text import RecoveryText

NAME = "check"
SUMMARY = "prove that a private key opens the backup"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    parser.add_argument(
        "--key", metavar="PEM", required=True, help="the private key to be tried"
    )
    proven.add_config(parser)
    options.add_passphrase(parser)
    proven.add_proof(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    config = configs.any_config_path(arguments.config)
    files = RecoveryFiles.of(config)
    register = files.register()
    private_key = secrets.read_private_key(arguments.key)
    text = recovery_files.open_text(files.sealed, private_key)
    if text is None:
        raise RecoveryError(
            f"{files.sealed} is not sealed for {arguments.key}, or damaged",
            hint="revcrypt recovery list says for whom it is sealed",
        )
    print(f"{files.sealed} opens, and is whole")
    code = ExitCode.OK
    state, is_same = _config_state(config, text)
    proof = _proof(arguments, config, text, is_same=is_same)
    if proof is None:
        print(
            "its master key is not proven against the config: give the passphrase, or "
            "--proof CIPHERDIR"
        )
        code = ExitCode.FINDINGS
    else:
        print(f"the master key is the right one: {proof}")
    print(f"its fingerprint: {fingerprint(text.master_key)}")
    print(f"sealed on {text.date}, in epoch {text.epoch}; {state}")
    for path in files.archives():
        if recovery_files.open_text(path, private_key) is not None:
            print(f"{path} opens, and is whole")
            continue
        known = [
            recipient.among(register.certificates)
            for recipient in recovery_files.read_envelope(path).recipients
        ]
        public_key = private_key.public_key()
        if any(c.public_key() == public_key for found in known for c in found):
            print(f"{path} is damaged")
            code = ExitCode.FINDINGS
        else:
            # A certificate that was removed may be that of this key.
            doubt = "" if all(known) else ", or damaged"
            print(f"{path} is not sealed for this key{doubt}")
    return code


def _proof(
    arguments: argparse.Namespace,
    config: ConfigPath,
    text: RecoveryText,
    *,
    is_same: bool,
) -> str | None:
    """Say what proves the master key; only what was noted with this config does."""
    key = Key(text.master_key, text.features, is_proven=False)
    passphrase = options.passphrase_source(arguments)
    if passphrase.is_named:
        key = configs.unlock(config, passphrase)
        if key.master_key != text.master_key:
            raise MasterKeyError("the config holds another master key")
    return proven.find_proof(key, config, arguments.proof, is_note_good=is_same)


def _config_state(config: ConfigPath, text: RecoveryText) -> tuple[str, bool]:
    """Say what has become of the config; tell whether it is the same."""
    try:
        data, _ = configs.read_whole(config)
    except (ConfigUnreadableError, ConfigInvalidError):
        return "there is no good config here, and it is not needed", False
    if sha256(data).hexdigest() == text.config_checksum:
        return "the config is the same as then", True
    return "the config was written anew since, as for a new passphrase", False
