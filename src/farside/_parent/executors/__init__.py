"""The `executor`: a `crew` of workers runs the tasks that were `submitted`.

Those wait as `pending` ones. `results` yields what `WorkerExecutor.map` returns.
"""
