"""Checks rendered trees. Prints one line per mistake and exits 1 where there are some.

What is checked, and by what:
  every file     PyYAML, a YAML 1.1 reader, reads it; object names are unique
  core objects   kubernetes-validate, strict: an unknown field is a mistake
  custom ones    a round trip through the types of their definitions
  pods           the restricted Pod Security Standard and what this platform adds
  secrets        none stands in the tree; what is mounted is fetched, from a store that is there
  rules          promtool check rules
  dashboards     unique panel ids, no fixed data source
  catalogue      names, references
  the tree       kubectl kustomize builds it and finds every file; digests of the machine file hold
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

KUBERNETES = "1.37"
CORE = re.compile(r"^(v1|apps/v1|batch/v1|policy/v1|autoscaling/v2|networking\.k8s\.io/v1|rbac\.authorization\.k8s\.io/v1)$")
MACHINE_FILE = ".idp.json"


class Loader(yaml.SafeLoader):
    """Refuses what PyYAML would let pass: keys given twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"keys given twice: {sorted(map(str, twice))}")
        return super().construct_mapping(node, deep)


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.mistakes = []
        self.objects = []

    def say(self, file, what):
        self.mistakes.append(f"{file}: {what}")

    def check(self):
        self.read()
        self.identities()
        custom = []
        for file, item in self.objects:
            version = item.get("apiVersion", "")
            if CORE.match(version):
                self.core(file, item)
            elif version.startswith("backstage.io/"):
                self.catalogue(file, item)
            elif version.startswith("kustomize.config.k8s.io/"):
                self.kustomize(file, item)
            else:
                custom.append((file, item))
            if item.get("kind") == "PrometheusRule":
                self.rules(file, item)
            if item.get("kind") == "ConfigMap" and "grafana_dashboard" in item["metadata"].get("labels", {}):
                self.dashboard(file, item)
            if item.get("kind") == "Deployment":
                self.pods(file, item)
            if item.get("kind") == "ExternalSecret":
                self.fetched(file, item)
            if item.get("kind") == "Secret":
                self.say(file, "a Secret stands in the tree")
        self.custom(custom)
        self.digests()
        return self.mistakes

    def read(self):
        for path in sorted(self.root.rglob("*.yaml")):
            try:
                for item in yaml.load_all(path.read_text("utf-8"), Loader):
                    self.objects.append((path, item))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                self.say(path, f"PyYAML cannot read it: {error}")
        if not self.objects:
            self.say(self.root, "there is no object in it")

    def identities(self):
        seen = {}
        for file, item in self.objects:
            metadata = item.get("metadata", {})
            key = (item.get("apiVersion"), item.get("kind"), metadata.get("namespace"), metadata.get("name"))
            if key[1] == "Kustomization":
                continue
            if key in seen:
                self.say(file, f"{key} stands in {seen[key]} too")
            seen[key] = file
            labels = metadata.get("labels", {})
            for label in ("name", "instance", "component", "part-of", "managed-by"):
                if f"app.kubernetes.io/{label}" not in labels:
                    self.say(file, f"it lacks the label app.kubernetes.io/{label}")

    def core(self, file, item):
        try:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            self.say(file, f"Kubernetes {KUBERNETES}: {'/'.join(map(str, error.path))}: {error.message}")

    def custom(self, pairs):
        lines = "".join(json.dumps({"source": str(file), "object": item}) + "\n" for file, item in pairs)
        done = subprocess.run([os.environ["CONFORMANCE_TYPED"]], input=lines, capture_output=True, text=True)
        self.mistakes.extend(line for line in (done.stdout + done.stderr).splitlines() if line)

    def rules(self, file, item):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as rules:
            yaml.safe_dump(item["spec"], rules)
            rules.flush()
            done = subprocess.run(["promtool", "check", "rules", rules.name], capture_output=True, text=True)
        if done.returncode != 0:
            self.say(file, "promtool: " + " ".join((done.stdout + done.stderr).split()))

    def dashboard(self, file, item):
        for name, text in item["data"].items():
            board = json.loads(text)
            ids = [panel["id"] for panel in board["panels"]]
            if len(ids) != len(set(ids)):
                self.say(file, f"{name}: panel ids are not unique: {ids}")
            if not re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"]):
                self.say(file, f"{name}: uid {board['uid']!r}")
            fixed = {uid for uid in data_sources(board) if uid != "${datasource}"}
            if fixed:
                self.say(file, f"{name}: it is tied to a data source: {fixed}")

    def pods(self, file, item):
        spec = item["spec"]["template"]["spec"]
        pod = spec.get("securityContext", {})
        expect = [
            ("replicas belong to the autoscaler", "replicas" not in item["spec"]),
            ("automountServiceAccountToken is false", spec.get("automountServiceAccountToken") is False),
            ("enableServiceLinks is false", spec.get("enableServiceLinks") is False),
            ("runAsNonRoot", pod.get("runAsNonRoot") is True),
            ("runAsUser is at least 10000", pod.get("runAsUser", 0) >= 10000),
            ("seccompProfile is RuntimeDefault", pod.get("seccompProfile", {}).get("type") == "RuntimeDefault"),
            ("no host namespaces", not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))),
            ("only emptyDir and secret volumes", all("emptyDir" in volume or "secret" in volume for volume in spec.get("volumes", []))),
            ("every mounted secret is fetched", self.mounted(spec) <= {secret["spec"]["target"]["name"] for secret in self.of_kind("ExternalSecret")}),
        ]
        secrets = {volume["name"] for volume in spec.get("volumes", []) if "secret" in volume}
        for container in spec["containers"]:
            context = container.get("securityContext", {})
            resources = container.get("resources", {})
            seconds = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            probes = [container.get(f"{kind}Probe", {}).get("httpGet", {}) for kind in ("startup", "readiness", "liveness")]
            expect += [
                ("allowPrivilegeEscalation is false", context.get("allowPrivilegeEscalation") is False),
                ("readOnlyRootFilesystem", context.get("readOnlyRootFilesystem") is True),
                ("all capabilities are dropped", context.get("capabilities", {}).get("drop") == ["ALL"]),
                ("secrets are mounted read-only, as whole folders", all(
                    mount.get("readOnly") is True and "subPath" not in mount
                    for mount in container.get("volumeMounts", []) if mount["name"] in secrets)),
                ("no host ports", not any("hostPort" in port for port in container.get("ports", []))),
                ("three probes on a named port, without host",
                 all(isinstance(probe.get("port"), str) and "host" not in probe for probe in probes)),
                ("memory limit is the request, no CPU limit",
                 resources["limits"].get("memory") == resources["requests"]["memory"] and "cpu" not in resources["limits"]),
                ("the grace period is longer than the drain", spec["terminationGracePeriodSeconds"] > seconds > 0),
            ]
        for what, holds in expect:
            if not holds:
                self.say(file, f"not so: {what}")

    def of_kind(self, kind):
        return [item for _, item in self.objects if item.get("kind") == kind]

    @staticmethod
    def mounted(pod):
        return {volume["secret"]["secretName"] for volume in pod.get("volumes", []) if "secret" in volume}

    def fetched(self, file, item):
        stores = {store["metadata"]["name"] for store in self.of_kind("SecretStore")}
        used = {name for owner in self.of_kind("Deployment") for name in self.mounted(owner["spec"]["template"]["spec"])}
        reference, target = item["spec"]["secretStoreRef"], item["spec"]["target"]
        if reference["kind"] != "SecretStore" or reference["name"] not in stores:
            self.say(file, f"its store {reference} is nowhere in the tree")
        if target["name"] not in used:
            self.say(file, f"nothing mounts {target['name']}")
        if target["creationPolicy"] != "Owner" or target["deletionPolicy"] != "Retain":
            self.say(file, f"its secret should go with it and outlive a forgotten value: {target}")

    def catalogue(self, file, item):
        metadata, spec = item["metadata"], item["spec"]
        name = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
        reference = re.compile(r"^[a-z]+:[a-z0-9-]+/[A-Za-z0-9-_.]+$")
        for text in (metadata["name"], metadata["namespace"]):
            if not name.match(text) or len(text) > 63:
                self.say(file, f"{text!r} is no name")
        for tag in metadata.get("tags", []):
            if not re.fullmatch(r"[a-z0-9+#]+(-[a-z0-9+#]+)*", tag) or len(tag) > 63:
                self.say(file, f"{tag!r} is no tag")
        references = [spec["owner"], *spec.get("dependsOn", []), *spec.get("providesApis", [])]
        for text in references + ([spec["system"]] if "system" in spec else []):
            if not reference.match(text):
                self.say(file, f"{text!r} is no reference")
        required = {"Component": ("type", "lifecycle", "owner"), "API": ("type", "lifecycle", "owner", "definition"), "Resource": ("type", "owner")}
        for key in required[item["kind"]]:
            if not spec.get(key):
                self.say(file, f"spec.{key} is missing")
        known = {f"api:{other['metadata']['namespace']}/{other['metadata']['name']}" for _, other in self.objects if other.get("kind") == "API"}
        for text in spec.get("providesApis", []):
            if text not in known:
                self.say(file, f"{text} is nowhere in the tree")

    def kustomize(self, file, item):
        folder = file.parent
        cluster = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "catalog-info.yaml"}
        if set(item["resources"]) != cluster:
            self.say(file, f"it does not list exactly the cluster objects: {sorted(set(item['resources']) ^ cluster)}")
        done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True)
        if done.returncode != 0:
            self.say(file, "kubectl kustomize: " + " ".join(done.stderr.split()))
            return
        built = [built for built in yaml.load_all(done.stdout, Loader) if built]
        if len(built) != len(cluster):
            self.say(file, f"kubectl kustomize builds {len(built)} objects of {len(cluster)} files")

    def digests(self):
        digest = lambda data: hashlib.sha256(data).hexdigest()
        files = {str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        machines = [name for name in files if name.rsplit("/", 1)[-1] == MACHINE_FILE]
        if len(machines) != 1:
            self.say(self.root, f"it has {len(machines)} machine files")
            return
        machine = json.loads(files[machines[0]].read_text())
        found = {name: digest(path.read_bytes()) for name, path in files.items() if name != machines[0]}
        if machine["files"] != found:
            differ = sorted(name for name in found.keys() | machine["files"].keys() if found.get(name) != machine["files"].get(name))
            self.say(files[machines[0]], f"these files are not what it says: {differ}")
        lines = sorted(f"{value}  {name}\n" for name, value in found.items())
        if machine["rendered_sha256"] != digest("".join(lines).encode()):
            self.say(files[machines[0]], "rendered_sha256 is not the digest of the files")


def data_sources(part):
    """Every data source that a dashboard names, wherever."""
    if isinstance(part, list):
        for item in part:
            yield from data_sources(item)
    elif isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]["uid"]
        for value in part.values():
            yield from data_sources(value)


def main():
    mistakes = []
    for root in sys.argv[1:]:
        tree = Tree(root)
        found = tree.check()
        mistakes += found
        print(f"{'FAILED' if found else 'ok    '}  {root}: {len(tree.objects)} objects")
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
