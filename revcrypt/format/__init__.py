"""The gocryptfs on-disk format as pure functions: no files, clocks or randomness."""
