"""The Remote Iterable Protocol: vocabulary, transition tables, and the two machines. No I/O.

Read in this order: `messages` (what is said), `worker` and `parent_machine` (when it may be said: a
table each, and a machine that looks steps up in it), `parent` (one worker's conversation), `group`
and `recovery` (all workers, how long one may say nothing, and what follows when one has ended).
`effects` is what the cores want done, `inbox` where items wait, `credit` how far a worker may run
ahead, `progress` what it tells beside items. `order` says whose turn it is, and `loop_state` where
a loop is. `codes` is what the enumerations are made of.
"""
