"""What crosses, as data.

`pickling` (objects and bytes) with `reducers`, `tensors` and `arrow` (how some kinds
are pickled) and `culprit` (what of an object is not), `items` (what items cross as), `encoder`
(which makes that) and `decoder` (which makes items of it again), `job` (what a worker is given)
with `warning_filters` and `log_levels`, `worker_info` (what it knows of itself), `failure`
(exceptions as data) with `refusals`, `remote_errors` (as exceptions again), `records` (of logs),
`one_line` (an exception in a message).
"""
