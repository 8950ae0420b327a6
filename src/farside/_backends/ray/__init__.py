"""Workers that are actors of a Ray cluster, on this machine or on others.

`actor` is what runs there, with its side of the link: `worker_link` is what goes up, `down_link`
what comes down. Their threads wait for a `Bell`, and know nothing of Ray.
`link` is the parent's side, over calls of the actor, with `heard` (what the worker waits for,
and how long items take); `calls` makes these, `messages` is what they carry, and `objects` are
large contents beside them.
`backend` connects and launches, and is all that the registry knows.
"""
