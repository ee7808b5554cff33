#!/usr/bin/env bash
# Runs the tests under a sanitizer, or the tool's main jobs under valgrind; ends with status 0 where
# nothing was found.
#
# usage: Tests/Sanitizers/run.sh address|thread|valgrind [ARGUMENTS OF swift test]
set -euo pipefail
cd "$(dirname "$0")/../.."
kind="${1:?address, thread or valgrind}"
shift
reports="$(mktemp -d)"
trap 'rm -rf "$reports"' EXIT
export SWIFT_BACKTRACE=enable=no
failed=0
# The tests have a process crash on purpose: that is its end, not a report.
crashes=handle_segv=0:handle_abort=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0

# Shows what was found, and fails where anything was, or a test failed.
conclude() {
  local count
  count="$(find "$reports" -name 'report*' -size +0 | wc -l)"
  find "$reports" -name 'report*' -size +0 -exec cat {} +
  echo "$kind: $count reports"
  [ "$count" -eq 0 ] && [ "$failed" = 0 ]
}

case "$kind" in
address)
  swift build --build-tests --sanitize address --scratch-path .build-address
  # Leaks are left out: a process of the tool ends without giving memory back.
  ASAN_OPTIONS="$crashes:detect_leaks=0:allocator_may_return_null=1:log_path=$reports/report" \
    swift test --sanitize address --scratch-path .build-address --skip-build "$@" || failed=1
  ;;
thread)
  swift build --build-tests --sanitize thread --scratch-path .build-thread
  clang -O1 -fPIC -shared -o "$reports/tsan_mutex.so" Tests/Sanitizers/tsan_mutex.c
  # Making an array of no elements writes a zero over the zero in the one empty array there is.
  echo 'race:^_swiftEmptyArrayStorage$' >"$reports/suppressions"
  TSAN_OPTIONS="$crashes:allocator_may_return_null=1:suppressions=$reports/suppressions:log_path=$reports/report" \
    LD_PRELOAD="$reports/tsan_mutex.so" \
    swift test --sanitize thread --scratch-path .build-thread --skip-build "$@" || failed=1
  ;;
valgrind)
  Tests/install-packages.sh valgrind
  swift build -c release --product resloratool
  # Valgrind can't read what Swift's compiler says for debuggers.
  strip --strip-debug -o "$reports/resloratool" "$(swift build -c release --show-bin-path)/resloratool"
  check() {
    valgrind --quiet --suppressions=Tests/Sanitizers/valgrind.supp --log-file="$reports/report.%p" \
      --trace-children=yes "$reports/resloratool" "$@" --quiet --threads 2 >/dev/null
  }
  adapter=Fixtures/minilm/is base=Fixtures/minilm/base.safetensors
  check fold "$adapter" --method bw --into "$base" --output "$reports/folded.safetensors" \
    --undo "$reports/fold.undo" --verify full
  check fold --undo-from "$reports/fold.undo" --into "$reports/folded.safetensors" \
    --output "$reports/base.safetensors"
  check convert "$adapter" "$reports/adapter.reslora"
  check convert "$reports/adapter.reslora" "$reports/adapter.h5"
  check merge "$reports/adapter.reslora" --method none --output "$reports/merged"
  ;;
*) echo "unknown: $kind (address, thread or valgrind)" >&2; exit 2 ;;
esac
conclude
