"""The ledger: points as double entry, with the invariants in the database itself.

A *posting* is one movement of points in a household's account. It has a household side and a programme side (`contra`);
the view `entry` shows both, and they sum to zero. The points of a posting that grants form a *lot*, which expires as one.
The account row is the only lock: every operation takes it first, and reads lots in a later statement.

What always holds (checks, keys and triggers of PostgreSQL; tests/ledger proves each refusal):
- `available`, `held` and `debt` are never negative;
- a household's postings are numbered 1, 2, 3, ... without a gap, and each continues from the one before it;
- the account row equals the household's last posting;
- an award of a settlement is posted once, whatever is run again;
- nobody changes or removes a posting, a journal or a lot's use.
"""
