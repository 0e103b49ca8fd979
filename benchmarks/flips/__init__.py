"""How often rounding changes the target's choice when it steps over more than one token.

`walks`: along what the target said alone, in steps of another shape. `figures`: rates, intervals and the table.
"""
