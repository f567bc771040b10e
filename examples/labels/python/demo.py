# SPDX-License-Identifier: Apache-2.0
"""demo.py SECONDS: tasks of one thread take turns, and each has a label of its own; so has the work of an executor."""
import asyncio
import concurrent.futures
import sys
import time

import cprof

END = time.monotonic() + float(sys.argv[1] if len(sys.argv) > 1 else 3)


def burn():
    end = time.thread_time() + 0.02
    while time.thread_time() < end:
        sum(i * i for i in range(1000))


@cprof.label(endpoint="/burn")
async def serve_burn():
    while time.monotonic() < END:
        burn()
        await asyncio.sleep(0.01)


async def serve_allocate():
    kept = []
    with cprof.label(endpoint="/allocate"):
        while time.monotonic() < END:
            kept.append(bytes(1_000_000))
            del kept[:-20]
            await asyncio.sleep(0.001)


async def serve_offload(executor):
    with cprof.label(endpoint="/offload"):
        while time.monotonic() < END:
            await asyncio.get_running_loop().run_in_executor(executor, cprof.carry(burn))
            await asyncio.create_task(asyncio.sleep(0.01))


async def main():
    asyncio.get_running_loop().set_task_factory(cprof.task_factory)
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        await asyncio.gather(*map(asyncio.create_task, (serve_burn(), serve_allocate(), serve_offload(executor))))


asyncio.run(main())
