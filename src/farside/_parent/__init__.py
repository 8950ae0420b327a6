"""The parent's side of the workers.

What users hold: `iterable` (RemoteIterable) with its loops `results` (``for``) and `async_results`
(``async for``), which share `one_pass` and `decoding`; `calls` (of methods, and for stacks),
`stats`, `executor`. Their arguments are checked by `options`, `several`, `signatures` and
`checks` (of single ones).

The workers: a `client` has a `member` for each. Its `steps` change the core of `_protocol`, with
one lock and a mailbox; `received` feeds the core with frames, and `effects` carries out what it
decides. `starting` (of a backend, by `choosing`) and `closing` take time, so they run as `chores`;
`logs` go to the user. Threads wait in `wait`, event loops in `aio` (on the `event_loops`): for the
`links`, or until a `deadline`.

A pass: a `sequence` is what it is made of (`one_iterable`; `sharded`, with a `fingerprint`; the
`inputs` of a map). A `delivery` brings the items from the `queues` to the loop: of one worker,
`in_turn`, as shards are `dealt`, or `mapped` (in `mapped_orders`). It takes `anchors`. A map gets
its inputs by `supply` (`own_iterators` are Python's) or `async_supply`, and takes `answers`;
`batches`, `assigned_inputs` and `given_results` record what is under way and what is done. An
executor has a `crew` of workers, and `submitted` tasks.

Messages: `messages_for_people`, `remote_failures`, `not_sent`, `notes`, `unguarded`, `logs`. And
`counters`.
"""
