"""Proves with promtool that every alert of every rendered tree fires when it should and is silent when it should be.

For each burn-rate alert of a service: an error ratio a tenth above its threshold fires it, a tenth below does not, errors
that stopped one short window ago do not, and neither does a total failure of a service that nearly nobody uses. What is
particular to databases is in alerts_database.py.
"""

import json
import re
import sys
from pathlib import Path

import yaml

from alerts_database import database_cases
from alerts_promtool import case, firing, promtool, steady

MINUTES = {"5m": 5, "30m": 30, "2h": 120, "6h": 360}
PER_MINUTE = 100_000
# Long window: how many times too fast, short window, severity.
PAIRS = {"1h": (14.4, "5m", "page"), "6h": (6, "30m", "page"), "1d": (3, "2h", "ticket"), "3d": (1, "6h", "ticket")}


class Service:
    """The series of one rendered service."""

    def __init__(self, rule):
        alerts = [rule for group in rule["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
        text = json.dumps(rule)
        self.rule = rule
        self.name, self.namespace = rule["metadata"]["name"], rule["metadata"]["namespace"]
        self.burns = [alert for alert in alerts if "window" in alert["labels"]]
        self.others = {alert["alert"] for alert in alerts if "window" not in alert["labels"]}
        found = re.search(r'le=~\\"(.*?)\\"', text)
        # The bound as Prometheus 3 spells it, which a bound without a point must match as well.
        self.bound = found and re.sub(r"\(\\+\.0\)\?$", ".0", found.group(1)).replace("\\", "")

    def labels(self, **more):
        pairs = {"job": self.name, "namespace": self.namespace, **more}
        return "{" + ",".join(f'{key}="{value}"' for key, value in pairs.items()) + "}"

    def requests(self, total, failed, slow):
        """Counters from three sequences of values; `total` counts the good ones only."""
        count, bucket = "http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket"
        series = [
            (count + self.labels(http_route="/orders", http_response_status_code="200"), total),
            (count + self.labels(http_route="/orders", http_response_status_code="500"), failed),
            # Probes always succeed and must not count.
            (count + self.labels(http_route="/healthz", http_response_status_code="200"), total),
            ("up" + self.labels(), "1x2000"),
        ]
        if self.bound:
            for status, values in (("200", slow), ("500", failed)):
                labels = self.labels(http_route="/orders", http_response_status_code=status, le=self.bound)
                series.append((bucket + labels, values))
        return [{"series": name, "values": values} for name, values in series]


def burn_cases(service, alert):
    objective, window, name = alert["labels"]["objective"], alert["labels"]["window"], alert["alert"]
    # Computed from what the alert promises, not read from its expression, which may be wrong.
    factor, short, severity = PAIRS[window]
    assert alert["labels"]["severity"] == severity, f"{name} {window} is not a {severity}"
    target = re.search(r"the promise that ([0-9.]+) %", alert["annotations"]["description"]).group(1)
    threshold = factor * (100 - float(target)) / 100
    fires = [(firing(name, window=window), True)]
    silent = [(firing(name, window=window), False)]
    # Ratios do not depend on how much of a window has data, so the short window's length is enough history.
    history = MINUTES[short] + 30

    def with_ratio(ratio, minutes=history, quiet=0):
        bad = round(PER_MINUTE * ratio)
        good = PER_MINUTE - bad
        total = steady(minutes + quiet, PER_MINUTE if objective == "latency" else good)
        stopped = steady(minutes, bad) + (f" {steady(quiet, 0, bad * minutes)}" if quiet else "")
        fast = steady(minutes, good) + (f" {steady(quiet, PER_MINUTE, good * minutes)}" if quiet else "")
        if objective == "latency":
            return service.requests(total, steady(minutes + quiet, 0), fast)
        return service.requests(total, stopped, total)

    ratio, quiet = threshold, MINUTES[short] + 5
    label = f"{service.name} {name} {window}"
    # One request in ten minutes, all of them bad.
    rare = " ".join(str(minute // 10) for minute in range(history))
    none = steady(history, 0)
    few = service.requests(rare if objective == "latency" else none, none if objective == "latency" else rare, none)
    yield case(f"{label}: fires above its threshold", with_ratio(ratio * 1.1), history, fires)
    yield case(f"{label}: silent below its threshold", with_ratio(ratio * 0.9), history, silent)
    # So many errors that the long window still shows them: only the short one says that it is over.
    yield case(f"{label}: silent once it is over", with_ratio(min(ratio * 4, 1), quiet=quiet), history + quiet, silent)
    if " * 3600 >= 0" not in alert["expr"]:
        yield case(f"{label}: silent where nearly nobody asks", few, history, silent)


def symptom_cases(service):
    name, namespace = service.name, service.namespace
    healthy = service.requests(steady(200, 100), steady(200, 0), steady(200, 100))
    pod = f'{{namespace="{namespace}",pod="{name}-abc12-x9y8z",container="{name}"'
    scaler = f'{{namespace="{namespace}",horizontalpodautoscaler="{name}"}}'
    fetched = lambda secret, label="namespace": f'externalsecret_status_condition{{name="{secret}",{label}="{namespace}",condition="Ready",status="False"}}'
    extra = {
        "SecretNotRefreshed": [{"series": fetched(f"{name}.orders"), "values": "1x200"}],
        "IndicatorAbsent": [{"series": "up" + service.labels(), "values": "1x200"}],
        "TargetMissing": [{"series": "up" + service.labels(), "values": "0x200"}],
        "CrashLooping": [{"series": f'kube_pod_container_status_waiting_reason{pod},reason="CrashLoopBackOff"}}', "values": "1x200"}],
        "RolloutStuck": [{"series": f'kube_deployment_status_condition{{namespace="{namespace}",deployment="{name}",condition="Progressing",status="false"}}', "values": "1x200"}],
        "AutoscalerAtMaximum": [
            {"series": f"kube_horizontalpodautoscaler_status_current_replicas{scaler}", "values": "4x200"},
            {"series": f"kube_horizontalpodautoscaler_spec_max_replicas{scaler}", "values": "4x200"},
        ],
        "DisruptionBudgetBlocked": [{"series": f'kube_poddisruptionbudget_status_pod_disruptions_allowed{{namespace="{namespace}",poddisruptionbudget="{name}"}}', "values": "0x200"}],
    }
    unknown = service.others - extra.keys()
    assert not unknown, f"no test knows the alerts {unknown}"
    for alert in sorted(service.others):
        yield case(f"{name} {alert}: fires", extra[alert], 120, [(firing(alert), True)])
    if "SecretNotRefreshed" in service.others:
        renamed = [{"series": fetched(f"{name}.orders", "exported_namespace"), "values": "1x200"}]
        yield case(f"{name} SecretNotRefreshed: fires whatever the operator's labels are called", renamed, 120, [(firing("SecretNotRefreshed"), True)])
        healthy += [{"series": fetched(f"{name}.orders"), "values": "0x200"}, {"series": fetched(f"{name}-2.orders"), "values": "1x200"}]
    good = [
        {"series": series["series"], "values": series["values"].replace("4x200", "3x200", index == 0).replace("0x200", "2x200") if "replicas" in series["series"] else "2x200" if "disruptions" in series["series"] else "0x200"}
        for alert in ("CrashLooping", "RolloutStuck", "AutoscalerAtMaximum", "DisruptionBudgetBlocked")
        for index, series in enumerate(extra[alert])
    ]
    yield case(f"{name}: a healthy service is silent", healthy + good, 120, [('count(ALERTS{alertstate="firing"})', False)])
    yield case(f"{name} TargetMissing: fires without any target", [], 30, [(firing("TargetMissing"), True)])


def unexplained(tree, groups):
    """Alerts of which the path's README, where it is there, has no runbook."""
    readme = Path(tree).resolve().parents[2] / "README.md"
    if not readme.exists():
        return None
    sections = set(re.findall(r"^### (\w+)$", readme.read_text(), re.MULTILINE))
    missing = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule} - sections
    return f"{readme} has no runbook of {sorted(missing)}" if missing else None


def run(tree):
    total, failures = 0, []
    for path in Path(tree).rglob("*-prometheusrule-*.yaml"):
        rule = yaml.safe_load(path.read_text())
        groups = rule["spec"]["groups"]
        failures.append(unexplained(tree, groups))
        if path.name.endswith(".database.yaml"):
            cases = list(database_cases(Path(tree), rule))
            total += len(cases)
            failures.append(promtool(groups, cases))
            continue
        service = Service(rule)
        cases = list(symptom_cases(service))
        total += len(cases)
        failures.append(promtool(groups, cases))
        for objective in sorted({alert["labels"]["objective"] for alert in service.burns}):
            own = [group for group in groups if f"-slo-{objective}-" in group["name"]]
            burns = [alert for alert in service.burns if alert["labels"]["objective"] == objective]
            cases = [case for alert in burns for case in burn_cases(service, alert)]
            total += len(cases)
            failures.append(promtool(own, cases))
    for failure in filter(None, failures):
        print(f"FAILED  {tree}\n{failure}", file=sys.stderr)
    if total and not any(failures):
        print(f"ok      {tree}: {total} alert tests")
    return not any(failures)


if __name__ == "__main__":
    sys.exit(0 if all([run(tree) for tree in sys.argv[1:]]) else 1)
