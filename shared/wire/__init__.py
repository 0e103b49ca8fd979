"""The wire: generated stubs, the codec that checks everything a peer sends, statuses, the byte ledger."""
