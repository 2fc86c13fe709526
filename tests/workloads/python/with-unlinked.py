"""Temporary files without a name, in /tmp and in the job's directory: written, read and mapped."""

import hashlib
import mmap
import os
import tempfile
import time

files = []
for place in ("/tmp", ".", "/dev/shm"):
    files.append(tempfile.TemporaryFile(dir=place))
    descriptor, name = tempfile.mkstemp(dir=place)
    os.unlink(name)
    files.append(os.fdopen(descriptor, "w+b"))
spool = tempfile.SpooledTemporaryFile(max_size=1000)
named = tempfile.NamedTemporaryFile()
mapped = tempfile.TemporaryFile()
mapped.truncate(1 << 20)
memory = mmap.mmap(mapped.fileno(), 1 << 20)
for step in range(50):
    for number, file in enumerate([*files, spool, named]):
        file.write(b"%d %d\n" % (number, step) * 100)
        file.flush()
    memory[step * 100 : step * 100 + 10] = b"%010d" % step
    digests = []
    for file in [*files, spool, named]:
        file.seek(0)
        digests.append(hashlib.sha256(file.read()).hexdigest()[:6])
    print("step", step, *digests, hashlib.sha256(memory[:]).hexdigest()[:6], flush=True)
    time.sleep(0.25)
print("named:", os.path.exists(named.name), os.path.getsize(named.name))
mapped.seek(0)
print(hashlib.sha256(mapped.read()).hexdigest())
