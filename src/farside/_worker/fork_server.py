"""Run, by its import, in a fork server that farside starts, before that forks anything."""

import signal

# The server learns by this signal that a process has ended, and has what was blocked in the thread
# that has started it: a daemon may have a thread of its own for signals.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
