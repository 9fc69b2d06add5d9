"""Encrypted backups that any rsync can pull."""

__version__ = "0.1.0"
