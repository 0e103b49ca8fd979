"""Where the time of an answer went: what both ends did, on one clock, as a file for Perfetto or chrome://tracing."""
