"""Runs kernels over ranges of indices on several threads.

Not numba's ``parallel=True``: its OpenMP layer kills forked children, its own layer aborts when two threads call it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch


def thread_count() -> int:
    """Threads to use: what torch was told (``torch.set_num_threads``), at most the cores this process may run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), cores))


@lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The pool of this process. A forked child has another ``process`` number, and so gets a pool of its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"mggtalk-render-{process}")


def run_ranges(kernel: Callable[..., None], count: int, chunk: int, *arguments: object) -> None:
    """Call ``kernel(first, last, *arguments)`` for consecutive ranges that cover ``range(count)``.

    The ranges depend on ``count`` and ``chunk`` only, never on the number of threads, so that results do not either.
    The calling thread takes part; concurrent callers share the pool, and each finishes even if the pool is busy.

    Args:
        kernel: A compiled function that releases the interpreter lock and writes only what belongs to its range.
        count: Number of indices.
        chunk: Indices in a range.
        arguments: Passed on.
    """
    ranges = -(-count // chunk)
    helpers = min(thread_count(), ranges) - 1
    counter = itertools.count()  # next() is atomic

    def work() -> None:
        while (index := next(counter)) < ranges:
            kernel(index * chunk, min(count, (index + 1) * chunk), *arguments)

    futures = [_pool(os.getpid(), thread_count() - 1).submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        waiting = [future for future in futures if not future.cancel()]
        for future in waiting:
            future.result()
