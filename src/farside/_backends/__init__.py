"""One small adapter for each kind of isolation: start a worker, see it end, stop it.

`base` (the interface), `registry` (names, availability, choice), `lifetime` (which workers live,
and the end of the process), `subprocess`, `subinterpreter` (with `interpreters`, one face over
the standard library and the backport), `surroundings` (what a new interpreter is told).
"""
