"""The device's HTTP endpoint: what OpenAI's chat completions are to a client, answered by edge and draft together."""
