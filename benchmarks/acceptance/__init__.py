"""How often a proposal stands by each rule, on the same positions, and what each rule puts on the wire."""
