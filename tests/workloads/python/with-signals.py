"""Signals and timers: handlers, interval timers of three clocks, blocked and pending signals, alarms, threading.Timer."""

import os
import signal
import threading
import time

counted = {signal.SIGALRM: 0, signal.SIGVTALRM: 0, signal.SIGPROF: 0, signal.SIGUSR1: 0}


def count(number, _):
    counted[number] += 1


for number in counted:
    signal.signal(number, count)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
fired = threading.Semaphore(0)


def tick():
    fired.release()


for step in range(30):
    # As many as wanted come, however long the clock stood still.
    for timer, number in ((signal.ITIMER_REAL, signal.SIGALRM), (signal.ITIMER_VIRTUAL, signal.SIGVTALRM), (signal.ITIMER_PROF, signal.SIGPROF)):
        before = counted[number]
        signal.setitimer(timer, 0.03, 0.03)
        while counted[number] < before + 3:
            pass
        signal.setitimer(timer, 0)
        counted[number] = before + 3
    os.kill(os.getpid(), signal.SIGUSR1)
    # Pending over whatever happens meanwhile.
    os.kill(os.getpid(), signal.SIGUSR2)
    timer = threading.Timer(0.15, tick)
    timer.start()
    fired.acquire()
    begun = time.monotonic()
    time.sleep(0.05)
    slept = time.monotonic() - begun
    pending = signal.SIGUSR2 in signal.sigpending()
    print("step", step, sorted(counted.values()), pending, signal.sigwait({signal.SIGUSR2}).name, 0.05 <= slept < 60, flush=True)
