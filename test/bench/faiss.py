"""The peer: FAISS IndexBinaryMultiHash as python-threatexchange sets it up, one thread. Rows and queries come as files of
32-byte hashes; each line "FROM TO" on standard input searches that many queries and answers with the seconds of processor
time it took and the rows it found."""

import sys
import time

import faiss
import numpy as np

rows_file, queries_file, radius = sys.argv[1], sys.argv[2], int(sys.argv[3])
faiss.omp_set_num_threads(1)
rows = np.fromfile(rows_file, dtype=np.uint8).reshape(-1, 32)
queries = np.fromfile(queries_file, dtype=np.uint8).reshape(-1, 32)


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


before = resident()
index = faiss.IndexBinaryMultiHash(256, 16, 16)
index.nflip = radius // 16
started = time.process_time()
index.add(rows)
built = time.process_time() - started
print(faiss.__version__, built, resident() - before, flush=True)

for line in sys.stdin:
    first, end = map(int, line.split())
    started = time.process_time()
    limits, distances, ids = index.range_search(queries[first:end], radius + 1)  # it finds what is nearer than that
    took = time.process_time() - started
    answers = [",".join(map(str, sorted(ids[limits[i] : limits[i + 1]]))) for i in range(end - first)]
    print(took, ";".join(answers), flush=True)
