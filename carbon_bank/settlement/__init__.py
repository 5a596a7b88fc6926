"""Settlement: the run that turns the readings of a period into awards, and the awards into points.

An operator requests a settlement of a period under a policy; a job computes it as of a recorded moment, in chunks of
households; another person approves it; a job posts its points to the ledger, in buckets, each a transaction of its own.

What always holds:
- one live settlement for each city and period; a withdrawn one stays on record;
- what it computes depends on what was recorded up to `as_of`, its policy's text and nothing else;
- the one who prepared it cannot approve it: the database refuses, too;
- work that stopped goes on at the next chunk or bucket, and run again changes nothing;
- what is posted comes, in number and sum, to what was approved.
"""
