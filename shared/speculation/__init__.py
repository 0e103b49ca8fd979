"""The mathematics of the stream: sampling, noise, rules and the two conversations. No I/O, no clock, no globals."""
