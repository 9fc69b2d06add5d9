"""`revcrypt check-config`: what a file in /etc/revcrypt would mount, without doing it."""

import argparse
import os
from collections.abc import Iterator

from revcrypt.cli import filters, mounting, options, site
from revcrypt.cli.secrets import read_master_key
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
    request = found.make_request()
    mounting.check(request, is_forward=found.is_forward)
    yield "source", f"{found.source}, {'encrypted' if found.is_forward else 'plain'}"
    yield "mountpoint", found.mountpoint
    features = found.features(request.config)
    names = "plaintext" if features.plaintext_names else "encrypted"
    yield "config", f"{request.config.path}, {features.cipher.name}, {names} names"
    yield "secret", _secret(arguments)
    yield "visible to", _audience(request, arguments)
    if request.owner is not None:
        uid, gid = request.owner
        yield "owner", f"{arguments.force_owner} ({uid}:{gid})"
    if not found.is_forward:
        left_out = filters.of_arguments(arguments)
        filters.make_exclude(left_out, found.source, ())
        for text in filters.describe(left_out):
            yield "left out", text


def _audience(request: mounting.Request, arguments: argparse.Namespace) -> str:
    groups = [f"group {name}" for name in arguments.allow_group]
    if arguments.allow_user or groups:
        names = ", ".join(["root", *arguments.allow_user, *groups])
        return f"{names}, whatever modes say" if request.ignore_modes else names
    if request.allow_other or request.owner is not None:
        return "everybody, as far as owner and mode allow"
    return "only the user who mounts"


def _secret(arguments: argparse.Namespace) -> str:
    if arguments.masterkey is not None:
        read_master_key(arguments.masterkey)
        return f"the master key in {arguments.masterkey}"
    for path in arguments.passfile:
        if not os.access(path, os.R_OK, effective_ids=True):
            raise PassphraseUnreadableError(f"cannot read passfile {path}")
    if arguments.passfile:
        return f"the passphrase in {', '.join(arguments.passfile)}"
    if arguments.extpass is not None:
        return f"the passphrase that {arguments.extpass} prints"
    if getattr(arguments, "recovery_key", None) is not None:
        return f"the private key in {arguments.recovery_key}, for the recovery file"
    return (
        "the master key in the credential “masterkey” of the service, or else the "
        "passphrase in the credential “passphrase”"
    )
