"""Unblocks SIGCHLD in a fork server that farside starts, which imports this before it forks."""

import signal

# The server learns by this signal that a process has ended. But it inherits the signal mask of the
# thread that has started it, and a daemon may block signals in all threads but one.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
