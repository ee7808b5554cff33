#!/usr/bin/env bash
# Installs the system packages the build needs, where they are missing: zlib, libdeflate, zstd,
# nettle, HDF5 and OpenBLAS with their headers. Uses sudo only when not root. Given extra package
# names, installs those as well.
set -euo pipefail

if [ "$(uname -s)" = Darwin ]; then
  # zlib and LAPACK (Accelerate) come with Xcode.
  command -v brew >/dev/null && brew install --quiet libdeflate zstd hdf5
  command -v swift >/dev/null || { echo "install Xcode or a Swift 6.2 toolchain from swift.org" >&2; exit 1; }
  exit 0
fi

command -v swift >/dev/null || { echo "install a Swift 6.2 toolchain first: https://swift.org/install" >&2; exit 1; }

missing=()
for package in zlib1g-dev libdeflate-dev libzstd-dev nettle-dev libhdf5-dev libopenblas0 "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

command -v apt-get >/dev/null || {
  echo "install these packages, or what your system calls them: ${missing[*]}" >&2; exit 1; }
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
echo "installing ${missing[*]}" >&2
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
