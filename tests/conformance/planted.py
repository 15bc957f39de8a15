"""Plants one mistake after the other in a copy of a good tree; each must be found, or the checks prove nothing.

Usage: planted.py HERE TREE…   (the tree with the most files is taken)
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What is planted, in which file, and a word that the report must say.
PLANTED = [
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
    ("a file that kustomize does not know", "kustomization.yaml", "  - \"30-", "  - \"31-", "cluster objects"),
    ("a name that the catalogue refuses", "catalog-info.yaml", "owner: group:default/", "owner: group default ", "reference"),
    ("a panel tied to a data source", "72-configmap-*", '"uid": "${datasource}"', '"uid": "P1809F7CD0C75ACF3"', "data source"),
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


def main():
    here, trees = sys.argv[1], [Path(tree) for tree in sys.argv[2:]]
    good = max(trees, key=lambda tree: sum(1 for path in tree.rglob("*") if path.is_file()))
    failed = 0
    for what, pattern, old, new, word in [*PLANTED, ("an edited file", None, None, None, "not what it says")]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tree"
            shutil.copytree(good, root)
            service = next(root.rglob("kustomization.yaml")).parent
            target = next(iter(sorted(service.glob(pattern)))) if pattern else service / "catalog-info.yaml"
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
                failed += 1
                print(done.stdout + done.stderr)
    failed += alert_mistakes(here, trees)
    sys.exit(1 if failed else 0)


def alert_mistakes(here, trees):
    """The same for the tests of the alerts, on the smallest rules that have some."""
    rules = [rule for tree in trees for rule in tree.rglob("*-prometheusrule-*.yaml") if "ratio_rate1h{" in rule.read_text()]
    smallest = min(rules, key=lambda rule: rule.stat().st_size)
    good = next(tree for tree in trees if tree in smallest.parents)
    threshold = re.search(r"ratio_rate1h\{[^}]*\} > ([0-9.]+)", smallest.read_text()).group(1)
    planted = [
        ("a threshold that is too high", f"> {threshold}", f"> {float(threshold) * 1.3:.6f}"),
        ("a threshold that is too low", f"> {threshold}", f"> {float(threshold) * 0.7:.6f}"),
        ("failures that are not counted", '=~\\"5..\\"', '=~\\"6..\\"'),
        ("an alert that ignores the short window", "ratio_rate5m{", "ratio_rate1h{"),
    ]
    failed = 0
    for what, old, new in planted:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tree"
            shutil.copytree(good, root)
            target = root / smallest.relative_to(good)
            text = target.read_text()
            assert old in text, f"{what}: nothing to plant"
            target.write_text(text.replace(old, new))
            done = subprocess.run([sys.executable, f"{here}/alerts.py", str(root)], capture_output=True, text=True)
            print(f"{'found ' if done.returncode == 1 else 'MISSED'}  {what}")
            failed += done.returncode != 1
    return failed


if __name__ == "__main__":
    main()
