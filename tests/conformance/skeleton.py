"""Renders the skeleton of a path for its fixture `full` and checks that its files are what their names say.

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


def main():
    idp, path = sys.argv[1], Path(sys.argv[2])
    mistakes = []
    with tempfile.TemporaryDirectory() as folder:
        command = [idp, "golden-path", "render", str(path), "--skeleton", "--input", str(path / "tests/cases/full.yaml"), "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        root = Path(folder)
        files = [file for file in root.rglob("*") if file.is_file()]
        for file in files:
            text = file.read_text("utf-8")
            name = file.relative_to(root)
            try:
                if file.suffix == ".json":
                    json.loads(text)
                elif file.suffix in (".yaml", ".yml"):
                    list(yaml.safe_load_all(text))
            except (ValueError, yaml.YAMLError) as error:
                mistakes.append(f"{name}: {error}")
            if re.search(r"\[\[ |\[% ", text):
                mistakes.append(f"{name}: a placeholder is left")
        for action in re.findall(r"uses: (\S+)", "".join(file.read_text() for file in files if ".github" in file.parts)):
            if not re.search(r"@[0-9a-f]{40}$", action):
                mistakes.append(f"workflow: {action} is not pinned by commit")
        if shutil.which("node"):
            done = subprocess.run(["node", "--test"], cwd=root, capture_output=True, text=True)
            if done.returncode != 0:
                mistakes.append(f"node --test: {done.stdout}{done.stderr}")
            for script in root.glob("src/*.js"):
                done = subprocess.run(["node", "--check", str(script)], capture_output=True, text=True)
                if done.returncode != 0:
                    mistakes.append(f"node --check {script.name}: {done.stderr}")
    print(f"{'FAILED' if mistakes else 'ok    '}  skeleton of {path.parent.name}/{path.name}: {len(files)} files")
    print("\n".join(mistakes), file=sys.stderr)
    sys.exit(1 if mistakes else 0)


if __name__ == "__main__":
    main()
