"""Threads that hand work to each other through queues, meet at barriers and wait on conditions."""

import hashlib
import queue
import threading
import time

STEPS, WORKERS = 50, 6
todo, done = queue.Queue(maxsize=8), queue.PriorityQueue()
barrier = threading.Barrier(WORKERS)
turn = threading.Condition()
whose, order = 0, []
local = threading.local()


def work(number):
    global whose
    local.seen = 0
    barrier.wait()
    while (item := todo.get()) is not None:
        local.seen += 1
        done.put((item, hashlib.sha256(b"%d" % item * 20000).hexdigest()[:16]))
    barrier.wait()
    with turn:
        turn.wait_for(lambda: whose == number)
        order.append(number)
        whose += 1
        turn.notify_all()


threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
for thread in threads:
    thread.start()
for step in range(STEPS):
    for item in range(10):
        todo.put(10 * step + item)
    results = []
    while len(results) < 10:
        results.append(done.get())
    print("step", step, hashlib.sha256(repr(sorted(results)).encode()).hexdigest()[:16], flush=True)
    time.sleep(0.25)
for _ in threads:
    todo.put(None)
for thread in threads:
    thread.join()
print("in turn:", order)
