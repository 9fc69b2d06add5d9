"""Trees whose owners mean harm, or that no sane program would make."""
