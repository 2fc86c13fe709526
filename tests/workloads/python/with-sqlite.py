"""SQLite with a rollback journal and with a write-ahead log, in transactions that a checkpoint falls into."""

import os
import sqlite3
import time

databases = []
for mode in ("delete", "wal"):
    database = sqlite3.connect(mode + ".db", isolation_level=None)
    database.execute(f"pragma journal_mode={mode}")
    database.execute("create table steps(step integer, words text)")
    databases.append(database)
for step in range(50):
    for database in databases:
        database.execute("begin")
        for i in range(20):
            database.execute("insert into steps values(?, ?)", (step, f"word {step} {i} " * 20))
        time.sleep(0.1)
        database.execute("delete from steps where step < ? and step % 3 = 1", (step - 5,))
        database.execute("commit")
    print("step", step, flush=True)
for database in databases:
    print(database.execute("pragma integrity_check").fetchone()[0], database.execute("select count(*), sum(step), max(words) from steps").fetchone())
    database.close()
print(sorted(name for name in os.listdir() if ".db" in name))
