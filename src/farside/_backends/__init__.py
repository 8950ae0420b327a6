"""One small adapter for each kind of isolation: start a worker, see it end, stop it.

`base` (the interface), `registry` (names, availability, choice), `live_workers` (and the end of
the process), `subprocess` (with `process`, its worker, `child`, the process itself, and
`process_start` and `no_process`, what stands in the way of starting one),
`subinterpreter` (with `interpreters`, one face over the standard library and the backport, and
`bundle`, the code of its modules), `inline` (no isolation), `ray` (actors of a cluster). All of
them use `starting` (a worker gets its job, whatever strikes), `callables` (what the user gives, as
a pickle, or why not) and `preparation` (what a new interpreter is told).
"""
