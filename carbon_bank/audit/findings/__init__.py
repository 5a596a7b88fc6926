"""The report of what is unusual in a settlement: each kind of finding with its numbers and its cases."""
