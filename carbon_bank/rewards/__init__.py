"""Rewards: points exchanged for something a household can use.

A *reward* is what a city offers, by a *channel*: a bank transfer, a code of a voucher pool, a partner's delivery, a donation,
or something to pick up. *Terms* say what a point is worth. A *redemption* is points of a household on their way into a reward.
A *payout run* is the file of transfers that the city's bank is given.

What always holds (CHECKs, unique keys and triggers of PostgreSQL, and the ledger's own):
- points are on hold while a redemption waits, and leave only when it is fulfilled; every other end returns them to their lots;
- a redemption moves forward only, and ends once;
- stock is taken with the hold and returned with it, and never below zero; a voucher is given once;
- nobody approves the terms or the payout run that they prepared, and what was approved is not changed;
- a household's codes and bank account are shown to that household only, the account masked.
"""
