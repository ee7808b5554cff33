#!/usr/bin/env bash
# Installs the Python package of Spec/python into .build/python and runs its tests there. Afterwards
# RESLORA_PYTHON=.build/python/bin/python lets `swift test` run the interoperability tests too.
# The tests of the PyTorch hooks are skipped unless torch is there; give `torch` as an argument to
# install it (a large download).
set -euo pipefail
cd "$(dirname "$0")/.."
folder=.build/python
python3 -m venv "$folder" 2>/dev/null || {
  Tests/install-packages.sh python3-venv
  python3 -m venv "$folder"
}
"$folder/bin/pip" install --quiet --disable-pip-version-check "./Spec/python[test]" "$@"
"$folder/bin/python" -m pytest -q Spec/python/tests
