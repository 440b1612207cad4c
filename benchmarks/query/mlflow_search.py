"""MLflow's search on the same runs: makes them in an SQLite store, then times searches in this process.

    python mlflow_search.py <folder> <runs.json>

Runs are written by SQLAlchemy's bulk insert into MLflow's own tables: log_batch would take an hour. Each search is timed
twice, the second one counts; the start of Python and the import of MLflow are timed apart.
"""
import json
import os
import sys
import time

started = time.process_time()
wall = time.perf_counter()
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{sys.argv[1]}/mlflow.db"
import mlflow  # noqa: E402
from mlflow.store.tracking.dbmodels import models  # noqa: E402

imported = {"cpu": time.process_time() - started, "wall": time.perf_counter() - wall}
client = mlflow.MlflowClient()
runs = json.load(open(sys.argv[2]))
experiment = client.create_experiment("sweep")
store = client._tracking_client.store
with store.ManagedSessionMaker() as session:
    rows = []
    for i, run in enumerate(runs):
        uid = f"{i:032x}"
        now = 1_600_000_000_000 + 1000 * i
        rows.append(models.SqlRun(
            run_uuid=uid, name=f"run {i}", source_type="LOCAL", source_name="", entry_point_name="", user_id="bench",
            status="FINISHED", start_time=now, end_time=now, source_version="", lifecycle_stage="active",
            artifact_uri="", experiment_id=int(experiment)))
        for key in ("lr", "batch", "opt"):
            rows.append(models.SqlParam(run_uuid=uid, key=key, value=str(run[key])))
        for key in ("acc", "loss"):
            value = run[key]
            rows.append(models.SqlMetric(run_uuid=uid, key=key, value=value, timestamp=now, step=300, is_nan=False))
            rows.append(models.SqlLatestMetric(run_uuid=uid, key=key, value=value, timestamp=now, step=300, is_nan=False))
    session.add_all(rows)
results = []
for what, text, order in (
    ("metric, 20 best", "metrics.acc > 0.9 and params.opt = 'adam'", ["metrics.acc DESC"]),
    ("metric, all that fit", "metrics.acc > 0.9 and params.opt = 'adam'", []),
):
    limit = 20 if order else 50_000
    for _ in range(2):
        cpu, wall = time.process_time(), time.perf_counter()
        found = client.search_runs([experiment], text, max_results=limit, order_by=order)
    results.append({"what": what, "found": len(found), "cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall})
print(json.dumps({"version": mlflow.__version__, "runs": len(runs), "imported": imported, "results": results}))
