"""Moves frames between parent and worker. Knows no command and no status.

`base` and `worker_base` define what a link offers to each side. `opening` opens one over OS pipes
and shared memory, whose sides are `pipes` and `worker_pipes`. They use `writer` and `reader`,
`control` (words in that memory), `frames` (the bytes of a frame), and `spinning` (looks for a
moment before a side sleeps). The parent's end never blocks: waiting is done in `_parent.wait`.
"""
