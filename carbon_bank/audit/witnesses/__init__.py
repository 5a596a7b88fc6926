"""Witnesses: others who sign a log's checkpoints, by C2SP's tlog-witness. `carbon_bank/witness/` is the program that they run."""
