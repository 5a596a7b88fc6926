"""The trail: who did what, append-only, written in the same transaction as the act.

An act is one of a closed vocabulary (`service.Act`), `subject.action`. What is recorded is who (a subject of a token such
as `person:12`, or `system:worker`), when, under which request, on what, why, and the numbers that matter. No personal data.
"""
