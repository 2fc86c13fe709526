"""multiprocessing: shared memory, queues, locks, a pool, a manager."""

import multiprocessing
import time
from multiprocessing import shared_memory

STEPS, WORKERS, CELLS = 40, 3, 50000


def fill(number, name, todo, done, lock, counter):
    memory = shared_memory.SharedMemory(name=name)
    numbers = memory.buf.cast("Q")
    while (step := todo.get()) is not None:
        for i in range(number, CELLS, WORKERS):
            numbers[i] = (numbers[i] * 31 + i + step) % 1000003
        with lock:
            counter.value += 1
        done.put(number)
    numbers.release()
    memory.close()


def square(n):
    return n * n


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    memory = shared_memory.SharedMemory(create=True, size=8 * CELLS)
    numbers = memory.buf.cast("Q")
    numbers[:] = memoryview(bytes(8 * CELLS)).cast("Q")
    todo = [multiprocessing.Queue() for _ in range(WORKERS)]
    done, lock, counter = multiprocessing.Queue(), multiprocessing.Lock(), multiprocessing.Value("i", 0)
    workers = [
        multiprocessing.Process(target=fill, args=(number, memory.name, todo[number], done, lock, counter)) for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    with multiprocessing.Pool(2) as pool, multiprocessing.Manager() as manager:
        kept = manager.dict()
        for step in range(STEPS):
            for one in todo:
                one.put(step)
            ready = sorted(done.get() for _ in workers)
            kept[step] = sum(pool.map(square, range(step)))
            print("step", step, ready, sum(numbers), kept[step], counter.value, flush=True)
            time.sleep(0.3)
        print("kept:", sum(kept.values()), len(kept))
    for one in todo:
        one.put(None)
    for worker in workers:
        worker.join()
        print("a worker ended with", worker.exitcode)
    numbers.release()
    memory.close()
    memory.unlink()
