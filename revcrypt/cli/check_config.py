"""`revcrypt check-config`: what a file in /etc/revcrypt would mount, without doing it."""

import argparse
import os
from collections.abc import Iterator

from revcrypt.cli import configs, filters, options, site, users
from revcrypt.errors import ExitCode, PassphraseUnreadableError

NAME = "check-config"
SUMMARY = "check /etc/revcrypt/NAME.toml and say what it would mount"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare positionals and options."""
    options.add_site(parser)


def run(arguments: argparse.Namespace) -> ExitCode:
    """Do it."""
    found = site.read(arguments.name)
    lines = [("file", found.path), *_describe(found)]
    width = max(len(label) for label, _ in lines) + 1
    for label, text in lines:
        print(f"{label + ':':{width}} {text}")
    return ExitCode.OK


def _describe(found: site.Site) -> Iterator[tuple[str, str]]:
    arguments = found.arguments
    options.check_directory(found.source)
    yield "source", f"{found.source}, {'encrypted' if found.is_forward else 'plain'}"
    yield "mountpoint", found.mountpoint
    config = found.config_path()
    if arguments.masterkey is None:
        features = configs.read(config).features
        names = "plaintext" if features.plaintext_names else "encrypted"
        yield "config", f"{config.path}, {features.cipher.name}, {names} names"
    yield "secret", _secret(arguments)
    everybody = "everybody, as far as owner and mode allow"
    owner = users.parse_owner(arguments.force_owner)
    users.user_ids(arguments.allow_user)
    users.group_ids(arguments.allow_group)
    some = [*arguments.allow_user, *(f"group {name}" for name in arguments.allow_group)]
    if some:
        everybody = f"root, {', '.join(some)}"
        if not found.is_forward and arguments.ignore_modes:
            everybody += ", whatever modes say"
    elif not arguments.allow_other and owner is None:
        everybody = "only the user who mounts"
    yield "visible to", everybody
    if owner is not None:
        yield "owner", f"{arguments.force_owner} ({owner.uid}:{owner.gid})"
    if not found.is_forward:
        left_out = filters.of_arguments(arguments)
        filters.make_exclude(left_out, found.source, ())
        for text in filters.describe(left_out):
            yield "left out", text


def _secret(arguments: argparse.Namespace) -> str:
    files = arguments.passfile if arguments.masterkey is None else [arguments.masterkey]
    for path in files:
        if not os.access(path, os.R_OK, effective_ids=True):
            raise PassphraseUnreadableError(f"cannot read {path}")
    if arguments.masterkey is not None:
        return f"the master key in {arguments.masterkey}"
    if files:
        return f"the passphrase in {', '.join(files)}"
    if arguments.extpass is not None:
        return f"the passphrase that {arguments.extpass} prints"
    return "the passphrase in the credential “passphrase” of the service"
