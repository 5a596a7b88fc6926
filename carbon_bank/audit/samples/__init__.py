"""Samples that neither the bank nor the auditor can choose, and their working papers."""
