"""The ledger: points as double entry, with the invariants in the database itself.

A *posting* is one movement of points in a household's account. It has a household side and a programme side (`contra`);
the view `entry` shows both, and they sum to zero. The points of a posting that grants form a *lot*, which expires as one. A *hold*
sets points aside until they are spent, returned or its deadline is over. Points that are taken back and are not there any
more become *debt*, which the next points pay off; what is not asked back is `forgiven` on the posting. A *journal* is one act, or one
bucket of a settlement.

An act is a function of the database on one account (alembic/versions/0011_ledger_acts.sql), which first locks the account, then
books what has expired; `act_service` calls it. Awards and restatements are posted in sets. What a person gives, takes or takes back
is an *adjustment*, prepared by one and approved by another; what is granted comes out of a *budget*, where the city has one.
A household objects to a posting by an *objection*.

What always holds (checks, keys and triggers of PostgreSQL; tests/ledger proves each refusal):
- `available`, `held` and `debt` are never negative, and an account in debt has nothing available;
- a household's postings are numbered 1, 2, 3, ... without a gap, and each continues from the one before it;
- the account row equals the household's last posting;
- an award, a restatement, a reversal is posted once, and a hold ends once, whatever is run again;
- points that have expired cannot be spent, whether their expiry has been booked or not;
- who prepared an adjustment or a budget does not approve it;
- nobody changes or removes a posting, a journal or a lot's use.

What no constraint can say, `carbon-bank ledger check` proves (check_queries.py): what is available is what remains of the lots, what
is held is the open holds, budgets and adjustments agree with the postings.
"""
