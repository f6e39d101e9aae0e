"""Reads what `penumbra report RUN --tensorboard BOARD --mlflow MLRUNS` wrote, with
TensorBoard's and mlflow's own readers, and holds it to report.json. mlflow 3 wants MLFLOW_ALLOW_FILE_STORE=true.

    python bench/peers/trackers.py RUN BOARD MLRUNS
"""
import json, os, sys
import numpy as np
run, board, mlruns = sys.argv[1:4]
report = json.load(open(os.path.join(run, "report.json")))
name = os.path.basename(os.path.abspath(run))

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
seen = 0
for arm in report["arms"]:
    for seed in report["seeds"]:
        events = EventAccumulator(os.path.join(board, name, arm["name"], f"seed-{seed}"), size_guidance={"scalars": 0}).Reload()
        tags = events.Tags()["scalars"]
        curve = next(c for c in report["curves"] if c["arm"] == arm["name"] and c["seed"] == seed)
        got = [(s.step, s.value) for s in events.Scalars("train/loss")]
        assert got == [(p["step"], float(np.float32(p["loss"]))) for p in curve["points"]]
        line = next(l for l in report["results"] if l["kind"] == "classification" and l["arm"] == arm["name"] and l["seed"] == seed and l["unit"] == "photo")
        (final,) = events.Scalars("test/photo/accuracy")
        assert (final.step, final.value) == (curve["keptStep"], float(np.float32(line["accuracy"])))
        seen += len(tags)
images = EventAccumulator(os.path.join(board, name, "images"), size_guidance={"images": 0}).Reload()
tags = images.Tags()["images"]
one = images.Images(tags[1])[0]
print("tensorboard:", seen, "scalar tags,", len(tags), "images, one of", one.width, "x", one.height, one.encoded_image_string[:4])

import mlflow
mlflow.set_tracking_uri("file://" + os.path.abspath(mlruns))
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name(name)
runs = client.search_runs([experiment.experiment_id], max_results=1000)
parent = next(r for r in runs if r.info.run_name == name)
assert {a.path for a in client.list_artifacts(parent.info.run_id)} >= {"report.html", "report.json", "results.jsonl", "study.yaml"}
children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
assert len(children) == len(report["arms"]) * len(report["seeds"]) == len(runs) - 1
for r in children:
    arm, seed = r.data.params["arm"], int(r.data.params["seed"])
    curve = next(c for c in report["curves"] if c["arm"] == arm and c["seed"] == seed)
    history = client.get_metric_history(r.info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in history) == [(p["step"], p["loss"]) for p in curve["points"]]
    assert r.info.status == "FINISHED"
print("mlflow", mlflow.__version__, ":", len(runs), "runs,", len(children[0].data.metrics), "metrics and", len(children[0].data.params), "parameters in each")
