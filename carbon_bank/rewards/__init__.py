"""Rewards: points exchanged for something a household can use."""
