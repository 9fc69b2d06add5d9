"""Views of a directory tree: synchronous I/O, no FUSE and no trio."""
