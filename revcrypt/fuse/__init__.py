"""The kernel side: the only importer of pyfuse3 and trio."""
