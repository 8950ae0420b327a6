"""The Remote Iterable Protocol: vocabulary, transition tables, and the two machines. No I/O.

Read in this order: `messages` (what is said), `worker_table` and `tables` (when it may be said),
`worker` and `parent` (the two machines that look every step up in the tables). `codes` is what the
enumerations are made of.
"""
