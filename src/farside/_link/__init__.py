"""Moves frames between parent and worker. Knows no command and no status.

`base` and `worker_base` (what a link offers to each side), `opening`, `pipes` and `worker_pipes`
(its two sides, over OS pipes and shared memory) with `writer` (of frames, for both), `reader`,
`control` (words in that memory), `frames` (bytes of a frame), and `spinning` (looks for a moment,
before a side sleeps). The parent's end never blocks: whoever waits for it is in `_parent.wait`.
"""
