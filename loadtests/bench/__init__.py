"""Benches: `python -m loadtests.bench NAME`. Each measures the bank beside a limit on the same server, in the same run."""
