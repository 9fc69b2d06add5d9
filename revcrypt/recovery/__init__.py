"""Keys that survive the server: the master key, sealed for certificates. No I/O."""
