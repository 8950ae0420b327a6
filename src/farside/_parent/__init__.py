"""The parent's side of the workers.

What users hold: `iterable` has RemoteIterable. Its loops are in `results` (``for``) and
`async_results` (``async for``), which share `one_pass` and `decoding`. It also uses `calls` (of
methods, and for stacks), `next_pass` (states and epochs) and `stats`, with `counters`. `options`,
`several`, `signatures` and `checks` check the arguments of users; the default values of options are
in `defaults`.

The workers: a `client` has a `member` for each. Its `steps` change the core of `_protocol`, with
one lock and a mailbox. `received` feeds the core with frames, and `effects` carries out what it
decides. `choosing` chooses the backend. `starting` and `closing` take time, so they run as
`chores`. `logs` go to the user. Threads wait in `wait`, tasks in `aio` (on one of the
`event_loops`): for the `links`, or until a `deadline`.

`passes` has what a pass is made of, and how its items come to the loop. `executors` has executors.

Messages are in `messages_for_people`, `remote_failures`, `not_sent`, `notes`, `unguarded`, `logs`.
"""
