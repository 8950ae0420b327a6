"""The parent's side of the workers: what the user holds, and what becomes of it.

What users hold and ask for: `iterable` (RemoteIterable), `results` and `async_results` (the loops
``for`` and ``async for`` over `one_pass`, with `decoding`), `calls` (of methods, and stacks),
`stats`, `executor`. What they give is checked by `options`, `identity`, `several` and
`signatures`, with `checks` (of numbers and flags).

The workers: a `client` steps the core of `_protocol` by `steps` (one lock, and a mailbox), also by
what it has `received`, and `effects` carries out what that decides. It has a `member` for each
worker; `starting` and `closing` take their time, as `chores`, and `news` are for the user. `wait`
and `aio` (on the `event_loops`) are the one wait: for the `links`, until what `when` says, or a
`deadline`.

What a pass is made of: a `sequence` (`one_iterable`, or shards: `sharded`, with a `fingerprint`),
of which the `delivery` brings items to the loop, out of `queues`: one worker's, `in_turn`, or as
they are `dealt`. It takes `anchors`. In a map the sequence is `inputs`, the delivery `mapped` with
`mapped_orders`, and `supply` and `async_supply` take what the user gives; `batches`,
`assigned_inputs` and `given_results` keep in mind what is under way and what is done. An executor
has a `crew` and what was `submitted`.

What people read: `messages_for_people`, `remote_failures`, `unguarded`, `warn`, `logs`. Beside
these, `counters`.
"""
