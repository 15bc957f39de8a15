"""Renders the skeleton of a path for its fixtures `full` and `uses` and checks that its files are what their names say.

Where Node is there, its tests run, with the packages they need where npm is there as well.

Usage: skeleton.py IDP PATH
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

CASES = ("full", "uses")


def run(command, root):
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def formats(root, files):
    """What is wrong with files that have a format."""
    for file in files:
        text = file.read_text("utf-8")
        name = file.relative_to(root)
        try:
            if file.suffix == ".json":
                json.loads(text)
            elif file.suffix in (".yaml", ".yml"):
                list(yaml.safe_load_all(text))
        except (ValueError, yaml.YAMLError) as error:
            yield f"{name}: {error}"
        if re.search(r"\[\[ |\[% ", text):
            yield f"{name}: a placeholder is left"
    for action in re.findall(r"uses: (\S+)", "".join(file.read_text() for file in files if ".github" in file.parts)):
        if not re.search(r"@[0-9a-f]{40}$", action):
            yield f"workflow: {action} is not pinned by commit"


def programs(root):
    """What is wrong with what Node runs."""
    for script in [*root.glob("src/*.js"), *root.glob("test/*.js")]:
        done = run(["node", "--check", str(script)], root)
        if done.returncode != 0:
            yield f"node --check {script.name}: {done.stderr}"
    # Tests of the rest need Node alone.
    if "pg" in json.loads((root / "package.json").read_text())["dependencies"]:
        if not shutil.which("npm"):
            return
        done = run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], root)
        if done.returncode != 0:
            yield f"npm install: {done.stderr}"
            return
    done = run(["node", "--test"], root)
    if done.returncode != 0:
        yield f"node --test: {done.stdout}{done.stderr}"


def check(idp, path, case):
    with tempfile.TemporaryDirectory() as folder:
        command = [idp, "golden-path", "render", str(path), "--skeleton", "--input", str(case), "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        root = Path(folder)
        files = [file for file in root.rglob("*") if file.is_file()]
        mistakes = list(formats(root, files))
        if shutil.which("node"):
            mistakes += programs(root)
    print(f"{'FAILED' if mistakes else 'ok    '}  skeleton of {path.parent.name}/{path.name} for {case.stem}: {len(files)} files")
    print("\n".join(mistakes), file=sys.stderr, end="\n" if mistakes else "")
    return not mistakes


def main():
    idp, path = sys.argv[1], Path(sys.argv[2])
    cases = [case for name in CASES if (case := path / f"tests/cases/{name}.yaml").exists()]
    sys.exit(0 if all([check(idp, path, case) for case in cases]) else 1)


if __name__ == "__main__":
    main()
