"""Plants one mistake after the other in a copy of a good tree; each must be found, or the checks prove nothing.

Usage: planted.py HERE TREE…   (of each kind, the tree of the fixture that asks for most is taken)
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What is planted in a service, in which file, and a word that the report must say.
SERVICE = [
    ("a misspelt field of a core object", "20-deployment-*", "minReadySeconds", "minReadySecond", "minReadySecond"),
    ("a wrong type in a core object", "30-service-*", "port: 80\n", 'port: "eighty"\n', "eighty"),
    ("a misspelt field of a route", "60-httproute-*", "backendRefs", "backendRef", "backendRef"),
    ("a misspelt field of a monitor", "70-servicemonitor-*", "scrapeTimeout", "scrapeTimeOut", "scrapeTimeOut"),
    ("a misspelt field of a rule", "71-prometheusrule-*", "interval:", "intervall:", "intervall"),
    ("a misspelt field of an application", "../../../argocd/*/*", "targetRevision", "targetRevisions", "targetRevisions"),
    ("an expression that is not PromQL", "71-prometheusrule-*", "sum(rate(", "sum(rat(", "promtool"),
    ("a value that YAML 1.1 reads as a boolean", "10-serviceaccount-*", "namespace: shop", "namespace: on", "Kubernetes"),
    ("a key given twice", "45-poddisruptionbudget-*", "spec:\n", "spec:\n  maxUnavailable: 2\n", "twice"),
    ("a container that may be root", "20-deployment-*", "runAsNonRoot: true", "runAsNonRoot: false", "runAsNonRoot"),
    ("a misspelt field of a store", "55-secretstore-*", "jsonPath", "jsonpath", "jsonpath"),
    ("a misspelt field of a fetched secret", "55-externalsecret-*", "refreshInterval", "refreshIntervall", "refreshIntervall"),
    ("a secret that nothing mounts", "55-externalsecret-*", "target:\n    name: ", "target:\n    name: another-", "nothing mounts"),
    ("a secret that nothing fetches", "20-deployment-*", "secretName: ", "secretName: another-", "every mounted secret is fetched"),
    ("a secret from a store that is not there", "55-externalsecret-*", "kind: SecretStore\n    name: ", "kind: SecretStore\n    name: another-", "nowhere in the tree"),
    ("a secret that can be written", "20-deployment-*", "readOnly: true", "readOnly: false", "read-only"),
    ("a secret in git", "10-serviceaccount-*", "kind: ServiceAccount", "kind: Secret", "a Secret stands in the tree"),
    ("an egress that names no port", "50-networkpolicy-*-to-databases.yaml", "ports:", "port:", "port"),
    ("a file that kustomize does not know", "kustomization.yaml", "  - \"30-", "  - \"31-", "cluster objects"),
    ("a name that the catalogue refuses", "catalog-info.yaml", "owner: group:default/", "owner: group default ", "reference"),
    ("a panel tied to a data source", "72-configmap-*", '"uid": "${datasource}"', '"uid": "P1809F7CD0C75ACF3"', "data source"),
]

DATABASE = [
    ("a wrong type in a core object", "10-configmap-*", 'port: "', 'port: {}\n  x: "', "Kubernetes"),
    ("a misspelt field of a rule", "71-prometheusrule-*", "interval:", "intervall:", "intervall"),
    ("an expression that is not PromQL", "71-prometheusrule-*", "max(pg_", "maxi(pg_", "promtool"),
    ("a misspelt field of an application", "../../../argocd/*/*", "targetRevision", "targetRevisions", "targetRevisions"),
    ("a panel tied to a data source", "72-configmap-*", '"uid": "${datasource}"', '"uid": "P1809F7CD0C75ACF3"', "data source"),
    ("an entity without a type", "catalog-info.yaml", "  type: database\n", "", "spec.type is missing"),
    ("a system that the catalogue refuses", "catalog-info.yaml", "system: system:default/", "system: the ", "reference"),
]


def seal(root):
    """Makes the digests right again, so that only the planted mistake can be found."""
    machine = next(root.rglob(".idp.json"))
    said = json.loads(machine.read_text())
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file() and path != machine}
    said["files"] = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    lines = sorted(f"{digest}  {name}\n" for name, digest in said["files"].items())
    said["rendered_sha256"] = hashlib.sha256("".join(lines).encode()).hexdigest()
    machine.write_text(json.dumps(said))


def check(here, root):
    return subprocess.run([sys.executable, f"{here}/check.py", str(root)], capture_output=True, text=True)


def rendered(trees, kind, fixture):
    return next(tree for tree in trees if tree.name == fixture and next(tree.glob(f"*/{kind}"), None))


def plant(here, good, mistakes):
    """How many mistakes were missed in copies of a good tree."""
    missed = 0
    for what, pattern, old, new, word in [*mistakes, ("an edited file", None, None, None, "not what it says")]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tree"
            shutil.copytree(good, root)
            resource = next(root.rglob("kustomization.yaml")).parent
            target = next(iter(sorted(resource.glob(pattern)))) if pattern else resource / "catalog-info.yaml"
            text = target.read_text()
            changed = text.replace(old, new, 1) if pattern else text + "# edited\n"
            assert changed != text, f"{what}: nothing to plant in {target}"
            target.write_text(changed)
            if pattern:
                seal(root)
            done = check(here, root)
            found = done.returncode == 1 and word in done.stderr
            print(f"{'found ' if found else 'MISSED'}  {what}")
            if not found:
                missed += 1
                print(done.stdout + done.stderr)
    return missed


def main():
    here, trees = sys.argv[1], [Path(tree) for tree in sys.argv[2:]]
    missed = plant(here, rendered(trees, "service", "uses"), SERVICE)
    missed += plant(here, rendered(trees, "database", "full"), DATABASE)
    missed += alert_mistakes(here, trees)
    missed += database_alert_mistakes(here, trees)
    sys.exit(1 if missed else 0)


def alert_mistakes(here, trees):
    """The same for the tests of the alerts of services, on the smallest rules that have some."""
    rules = [rule for tree in trees for rule in tree.rglob("*-prometheusrule-*.yaml") if "ratio_rate1h{" in rule.read_text()]
    smallest = min(rules, key=lambda rule: rule.stat().st_size)
    threshold = re.search(r"ratio_rate1h\{[^}]*\} > ([0-9.]+)", smallest.read_text()).group(1)
    return plant_in_rules(here, next(tree for tree in trees if tree in smallest.parents), smallest, [
        ("a threshold that is too high", f"> {threshold}", f"> {float(threshold) * 1.3:.6f}"),
        ("a threshold that is too low", f"> {threshold}", f"> {float(threshold) * 0.7:.6f}"),
        ("failures that are not counted", '=~\\"5..\\"', '=~\\"6..\\"'),
        ("an alert that ignores the short window", "ratio_rate5m{", "ratio_rate1h{"),
    ])


def database_alert_mistakes(here, trees):
    """And of databases, on those of the fixture that asks for everything."""
    good = rendered(trees, "database", "full")
    return plant_in_rules(here, good, next(good.rglob("*-prometheusrule-*.yaml")), [
        ("a limit of connections that is not the database's", "/ 400 >=", "/ 440 >="),
        ("an alert about another database", 'numbackends{datname=', 'numbackends{datname!='),
        ("an alert about another team's server", "and on (instance) present_over_time(", "or on (instance) present_over_time("),
        ("vacuum that counts as a transaction", ',backend_type!=\\"autovacuum worker\\"', ""),
        ("a rare rollback that counts", "* 60 > 1", "* 60 > 0"),
        ("a budget in other units", "/ 1073741824000 >=", "/ 1000000000000 >="),
        ("a growth that is not told from filling", "max(predict_linear(", "max(1e15 + predict_linear("),
        ("a backup that nobody measures and nobody misses", " or absent(min(pgbackrest", " or absent(max(up) + min(pgbackrest" ),
        ("an age that pages too late", "> 1500000000", "> 1900000000"),
    ])


def plant_in_rules(here, good, rules, mistakes):
    failed = 0
    for what, old, new in mistakes:
        with tempfile.TemporaryDirectory() as folder:
            # Beside its fixture, as where it came from.
            root = Path(folder) / "rendered" / good.name
            shutil.copytree(good, root)
            shutil.copytree(good.parent.parent / "cases", Path(folder) / "cases")
            target = root / rules.relative_to(good)
            text = target.read_text()
            assert old in text, f"{what}: nothing to plant"
            target.write_text(text.replace(old, new))
            done = subprocess.run([sys.executable, f"{here}/alerts.py", str(root)], capture_output=True, text=True)
            found = done.returncode == 1 and "FAILED" in done.stderr
            print(f"{'found ' if found else 'MISSED'}  {what}")
            failed += not found
            if not found:
                print(done.stdout + done.stderr)
    return failed


if __name__ == "__main__":
    main()
