"""One small adapter for each kind of isolation: start a worker, see it end, stop it.

`base` (the interface), `registry` (names, availability, choice), `lifetime` (which workers live,
and the end of the process), `subprocess` (with `process`, its worker, and `sheltered`, what stands
in the way of starting one), `subinterpreter` (with `interpreters`, one face over the standard
library and the backport), `inline` (no isolation), `surroundings` (what a new interpreter is told).
"""
