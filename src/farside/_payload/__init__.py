"""Turns whatever crosses between parent and worker into data, and back.

Objects: `pickling`, with `reducers` for objects of libraries (`arrow`, `images`, `jax_arrays`,
`ndarrays`, `polars_frames`, `tensors`, with `memory_at`), of users (`register`) and of
multiprocessing (`shared`). `culprit` finds the part of an object that does not pickle.

Items: `items` defines the form in which they cross. `encoder` produces it, with `arrays` and
`plain`; so does `joined`, with `plain_classes`. `decoder` reads it. `anchors` computes digests of
items, and `user_states` turns states of iterables into bytes.

A worker: `job` (what it is given) with `verbosity`, and `worker_info`.
Failures: `failure` (exceptions as data) with `refusals`, `remote_errors` (as exceptions again),
`one_line` (an exception in a message). And `records` of logs.
"""
