"""Imported by a fork server that farside starts, before it forks anything: lets it see SIGCHLD."""

import signal

# The server learns by this signal that a process has ended. But it inherits the signal mask of the
# thread that has started it, and a daemon may block signals in all threads but one.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
