"""The backends: each is a small adapter that starts, watches and stops one kind of worker.

`base` is the interface, `registry` finds and chooses backends, and `live_workers` ends all workers
when the process exits. The backends are:

* `subprocess`, with `process_start`, `child` (watches the process), and `no_process` (explains why
  none can be started);
* `subinterpreter`, with `interpreters` (from the standard library or the backport) and `bundle`
  (the code of a worker's modules);
* `inline`, without isolation, and `ray`, with actors of a cluster.

They share `starting` (starts a worker and sends its job), `preparation` (packs the job),
`callables` (pickles the user's), and `servers` (the resource tracker and the fork server of
multiprocessing).
"""
