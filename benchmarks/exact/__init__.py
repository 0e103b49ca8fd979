"""How many answers about held-out pictures are, id for id, what the target alone says.

`plan`: which answers, each in a drawn setting. `running`: ask them over real gRPC, and hear what the target alone says.
`table`: how many were identical.
"""
