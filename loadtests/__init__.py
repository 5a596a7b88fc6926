"""Load: what the bank does in bulk measured against a limit (`bench`), and how it answers many at once (`locustfile.py`).

docs/performance.md says what each figure means.
"""
