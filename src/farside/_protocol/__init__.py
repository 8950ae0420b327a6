"""The Remote Iterable Protocol: messages, transition tables, and the cores. No I/O.

Read the modules in this order. `messages` lists the commands and statuses. `worker` and
`parent_machine` have a transition table each, which says when a message may be sent, and a machine
that looks steps up in it. `parent` is the conversation with one worker. `group` and `recovery` are
about all workers: how long one may be silent, and what follows when one has ended.

`effects` lists the actions that a core asks for, `inbox` holds items that have arrived, `credit`
limits how far a worker may run ahead, and `progress` is what a worker reports beside its items.
`order` computes whose turn it is, `loop_state` writes and reads the state of a loop, and `codes`
makes the enumerations.
"""
