#!/usr/bin/env bash
# Sets up, builds, and runs the main job on the real adapter: inspect, convert, merge, verify, fold.
# Results go to a temporary folder, or to the one given.
set -euo pipefail
mkdir -p "${1:-.}"
out="$(if [ $# -gt 0 ]; then cd "$1" && pwd; else mktemp -d; fi)"
cd "$(dirname "$0")/.."
Tests/install-packages.sh
swift build -c release --product resloratool
tool="$(swift build -c release --show-bin-path)/resloratool"
adapter=Fixtures/minilm/is
base=Fixtures/minilm/base.safetensors

run() { printf '\n$ resloratool %s\n' "$*"; "$tool" "$@"; }
run inspect "$adapter" --windows "$adapter/norm-windows.json"
run convert "$adapter" "$out/adapter.reslora" --base "$base" \
  --windows "$adapter/norm-windows.json" --force
run validate "$out/adapter.reslora"
run merge "$adapter" --method bw --base "$base" --output "$out/adapter-bw" --force
run verify "$adapter" --activations "$adapter/activations-heldout.safetensors" --base "$base" \
  --windows "$adapter/norm-windows.json" --method none --method bi --method bw \
  --calibration "$adapter/activations-calibration.safetensors" --method ls --method calibrated
run fold "$adapter" --method bw --into "$base" --output "$out/base-folded.safetensors" --force
printf '\nThe merged adapter and the folded base are in %s\n' "$out"
