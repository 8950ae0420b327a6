"""Shared memory: where large contents lie, beside the link.

`mapping` (what both sides see), `creating` (of it), `arena` (of the side that sends) with `blocks`
(which of it is free), `leases` (what user code holds of it on the side that receives),
`allocations` and `allocate` (what user code of the worker makes items in), `views` (of either, and
what forked children have of them), `parts` (contents that are on their way), `recycled` (buffers).
"""
