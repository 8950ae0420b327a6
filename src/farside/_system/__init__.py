"""Deals with the operating system and with signals; knows no worker.

`descriptors` (who owns which file descriptor, across forks too) with `standard` (0, 1 and 2),
`wakeup`, `signals` (what signals do not cut in two) with `sigaction` (handlers in C), `sigpipe`,
`cgroup` (processors, memory, whether that has run out), `process_states`, `monkey_patches` (of
gevent and eventlet), `weak_values`.
"""
