"""What tests of alerts are made of, and running them with promtool."""

import subprocess
import tempfile
from pathlib import Path

import yaml


def steady(minutes, per_minute, start=0):
    return f"{start}+{per_minute}x{minutes}"


def firing(alert, **labels):
    match = f'alertname="{alert}",alertstate="firing"' + "".join(f',{name}="{value}"' for name, value in labels.items())
    return f"count(ALERTS{{{match}}})"


def case(name, series, at, expectations):
    tests = []
    for expression, fires in expectations:
        samples = [{"labels": "{}", "value": 1}] if fires else []
        tests.append({"expr": expression, "eval_time": f"{at}m", "exp_samples": samples})
    return {"name": name, "interval": "1m", "input_series": series, "promql_expr_test": tests}


def promtool(groups, cases):
    """Runs cases on the rules of some groups; `None` where all pass."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yaml").write_text(yaml.safe_dump({"groups": [{**group, "interval": "1m"} for group in groups]}))
        tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": cases}
        Path(folder, "tests.yaml").write_text(yaml.safe_dump(tests))
        done = subprocess.run(["promtool", "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stdout + done.stderr
