"""The Carbon Bank: a city pays its households, in points, for using less electricity, gas and water.

The street (imports run downhill only; `tests/test_architecture.py` checks it):

    main, cli, web, worker, demo      the edge: compose, serve, command, show; and a witness for others to run
    audit                             log, receipts, replay, findings, export
    rewards                           catalogue, redemption, fulfilment, payout runs
    settlement                        compute, review, approve, post
    programme                         policy documents and the rules: baseline, reduction, award
    readings                          formats, revisions, monthly usage
    registry                          cities, districts, utilities, households, meters, tenures
    ledger                            accounts, postings, lots, statements
    inbox                             what households are told, and e-mail
    webhooks                          what happened, told to partners and utilities
    identity                          people, clients, roles, tokens, permissions
    trail                             who did what
    foundation                        units, calendar, errors, database, paging: knows no room

The words: a *household* owns points; a *meter* is one service point of one utility for one commodity; a *tenure* is a
household's claim on a meter from a date until a date; a *reading* is a quantity for a period [start, end) of a meter and
a *revision* a later version of it; *usage* is quantity by calendar month; a *policy* holds the programme's rules; a
*settlement* makes *awards* for a *settlement period*; a *posting* is one movement of points in a household's account
and a *lot* the points of one posting that expire together; a *redemption* is points on their way into a *reward*, and a
*hold* sets them aside until it ends.
"""

__version__ = "0.1.0"
