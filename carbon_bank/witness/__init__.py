"""Witness: somebody else's program, on a machine that the city does not own, that sees to it that the log only grows.

It knows a log by its verifier key, remembers the largest tree that it has signed, and signs a larger one only after a proof
that it begins with that one. It serves logs that ask for its *cosignature*, or *watches* a log of its own accord. It needs the
law of the log (`carbon_bank.audit`) and nothing else of the bank: no database, no settings, no account.

What always holds:
- what it signs was stored before anyone gets the signature, so that it never signs two trees that contradict each other;
- a state belongs to one key, and is made with it: a key without its state signs nothing any more;
- of a log that contradicts itself both checkpoints are kept, as the log signed them.

Source: C2SP tlog-witness, tlog-cosignature.
"""
