"""One small adapter for each kind of isolation: start a worker, see it end, stop it.

`base` is the interface, `registry` has names, availability and choice, and `live_workers` ends all
workers with the process. Backends: `subprocess` (with `child`, the process; `process_start`; and
`no_process`, why none can be started), `subinterpreter` (with `interpreters`, from the standard
library or the backport, and `bundle`, the code of its modules), `inline` (no isolation), `ray`
(actors of a cluster). They use `starting` (starts a worker and gives it its job), `callables` (the
user's, pickled), and `preparation` (what an interpreter is told).
"""
