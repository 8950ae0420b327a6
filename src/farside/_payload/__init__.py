"""What crosses, as data.

Objects: `pickling`, with `reducers` for objects of libraries (`arrow`, `images`, `jax_arrays`,
`ndarrays`, `polars_frames`, `tensors`, with `memory_at`), of users (`register`) and of
multiprocessing (`shared`). `culprit` finds the part of an object that does not pickle.

Items: `items` says what they cross as; `encoder` makes that, with `arrays` and `plain`, or
`joined`, with `plain_classes`; and `decoder` makes items of it again. `anchors` are their digests,
and `user_states` states of iterables.

A worker: `job` (what it is given) with `verbosity`, and `worker_info`.
Failures: `failure` (exceptions as data) with `refusals`, `remote_errors` (as exceptions again),
`one_line` (an exception in a message). And `records` of logs.
"""
