"""What the operating system gives, and how it is kept in order.

`descriptors` (who owns which file descriptor, across forks too) with `standard` (0, 1 and 2),
`signals` (what Ctrl-C does not cut in two) with `sigaction` (handlers in C), `sigpipe`, `cgroup`
(processors, memory, whether that has run out), `process_states`, `monkey_patches` (of gevent and
eventlet).
"""
