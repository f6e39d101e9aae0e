"""Runs the steps of one peer in a process of its own and prints its resident memory as a line of JSON.

Usage: resident.py THREADS MODULE PARAMETERS WARM_UP STEPS
"""

import importlib
import json
import sys

import torch

threads, module, parameters, warm_up, steps = sys.argv[1:]
torch.set_num_threads(int(threads))


def memory(field):
    """Kilobytes, from the kernel."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


step, _ = importlib.import_module(module).prepare(**json.loads(parameters))
for _ in range(int(warm_up)):
    step()
early = memory("VmRSS")
for _ in range(int(steps)):
    step()
print(json.dumps({"early": early, "late": memory("VmRSS"), "peak": memory("VmHWM")}))
