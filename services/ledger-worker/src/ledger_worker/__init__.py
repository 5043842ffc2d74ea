"""The ledger: the one commit decision of a transfer, and the append-only double entry behind it."""
