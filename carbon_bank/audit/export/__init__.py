"""The package that an auditor takes away: a settlement with all that it was made of, verified without the bank."""
