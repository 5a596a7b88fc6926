"""The city's log: what the bank did, as entries, and the sealer that lets it grow.

- Law: `canonical`, `entries`, `records`, `closes`: what goes in, byte for byte.
- `source_queries`, `evidence_*`, `leaf_service`: acts and journals as entries. `seal_service`: the next checkpoint;
  `restored_service`: on a server that the database was restored to. `tile_service`, `files_service`: tiles, stored and served.
- `service`, `api`, `receipt_api`: what is served. `erasure_*`: forgetting a household. `keys`: the keys that sign.
"""
