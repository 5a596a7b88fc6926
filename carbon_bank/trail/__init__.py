"""The trail: who did what, append-only, written in the same transaction as the act.

An act is one of a closed vocabulary (`service.Act`), `subject.action`. What is recorded is who (a subject of a token such
as `person:12`, or `system:worker`), in which role, when, from which address and under which request, on what, why, and the
numbers that matter; where an act changes a thing, what of it was before and is after. Reading somebody's account is an act too.

No personal data of households, so that nothing here ever has to be erased: of them not even the address they came from.
Decision record 0021.
"""
