"""The Remote Iterable Protocol: vocabulary, transition tables, and the two machines. No I/O.

Read in this order: `messages` (what is said), `worker_table` and `tables` (when it may be said),
`worker` and `parent_machine` (the two machines that look steps up in the tables), `parent` (one
worker's conversation), `group` and `recovery` (all workers, and what follows when one has ended).
`effects` is what the cores want done, `inbox` where items wait, `limits` how long a worker may say
nothing, `credit` how far it may run ahead, `progress` what it tells beside items. `order` says
whose turn it is, and `loop_state` where a loop is. `codes` is what the enumerations are made of.
"""
