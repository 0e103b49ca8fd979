"""What a stranger or a hostile tenant can make an edge or an endpoint hold and spend, beside an honest device.

`python -m benchmarks.budgets [ATTACK ...]`. Everything runs on loopback, and every attack ends after `--seconds`.
"""
