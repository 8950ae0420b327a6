"""Shared memory, which holds large contents that cross beside the link.

`creating` makes it, and `mapping` is how each side sees it. The side that sends uses `arena`, with
`blocks` (what is free). On the side that receives, `leases` tracks the blocks that user code holds.
User code of the worker can make items in it: `allocate` and `allocations`. `views` serves both, and
takes care of forked children. `parts` are contents on their way. `recycled` reuses other buffers.
"""
