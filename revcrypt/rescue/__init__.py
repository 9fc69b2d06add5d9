"""Restoring, looking and verifying with nothing but the files of a backup: no FUSE."""
