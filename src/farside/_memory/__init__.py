"""Shared memory: where large contents lie, beside the link.

`mapping` (what both sides see), `creating` (of it), `arena` (the worker's use of it) with `blocks`
(which of it is free), `leases` (what the parent's user holds of it), `allocations` and `allocate`
(what the worker's user makes items in), `views` (of either, and what forked children have of them),
`parts` (contents that are on their way).
"""
