"""Moves frames between parent and worker. Knows no command and no status.

`frames` (bytes of a frame), `codec` (objects and bytes), `credit` (how far the worker may run
ahead), `channel` (the interface), `pipes` (the channel over OS pipes), `descriptors` (who owns
which file descriptor, across forks too), `sigpipe`.
"""
