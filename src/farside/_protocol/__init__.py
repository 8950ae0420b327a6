"""The Remote Iterable Protocol: vocabulary, transition tables, and the two machines. No I/O.

Read in this order: `messages` (what is said), `tables` (when it may be said), `worker` and
`parent` (the two machines that look every step up in the tables).
"""
