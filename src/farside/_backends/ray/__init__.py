"""Workers that are actors of a Ray cluster, on this machine or on others.

`backend` connects to a cluster and starts workers. It is all that the registry knows.
`link` is the parent's side of the link, with `heard` (what the worker waits for, and how long items
are on their way). `calls` makes the calls of the actor, `messages` has what they carry, and
`objects` has the large contents beside them.
`actor` runs on the worker's side, with its side of the link: `worker_link` is the way up, and
`down_link` the way down. Their threads wait for a `Bell`, and know nothing of Ray.
"""
