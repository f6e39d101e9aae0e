"""The peer's process: reads a question per line, answers with a line of JSON, and times its own steps.

Usage: worker.py THREADS CLOCK (wall or cpu). A module beside this file has `prepare(**parameters)`, which returns the step to time,
a function or a coroutine, and a dictionary of facts that the other side compares with its own.
"""

import asyncio
import gc
import importlib
import inspect
import json
import os
import sys
import time
import traceback

import torch

torch.set_num_threads(int(sys.argv[1]))
now = time.perf_counter if sys.argv[2] == "wall" else time.process_time
answers = os.fdopen(os.dup(1), "w")
sys.stdout = sys.stderr  # what a module prints must not land between the answers

step = None


async def awaited(steps):
    started = now()
    for _ in range(steps):
        await step()
    return now() - started


def answer(question):
    global step
    if question["do"] == "prepare":
        step = None
        gc.collect()
        torch.manual_seed(0)
        step, facts = importlib.import_module(question["module"]).prepare(**question["parameters"])
        return facts
    if question["do"] == "run":
        steps = question["steps"]
        if inspect.iscoroutinefunction(step):
            spent = asyncio.run(awaited(steps))
        else:
            started = now()
            for _ in range(steps):
                step()
            spent = now() - started
        return {"milliseconds": spent * 1000 / steps}
    return {"torch": torch.__version__}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception:
        reply = {"error": traceback.format_exc()}
    answers.write(json.dumps(reply) + "\n")
    answers.flush()
