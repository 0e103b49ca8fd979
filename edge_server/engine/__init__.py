"""The target engine: a port, the mailbox of offers, and the embedded engine that runs a model of `shared.vlm`."""
