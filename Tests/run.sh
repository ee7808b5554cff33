#!/usr/bin/env bash
# Sets up what the tests need and runs them all. Arguments go to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."
Tests/install-packages.sh
swift build --build-tests
swift test --skip-build "$@"
