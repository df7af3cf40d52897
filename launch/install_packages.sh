#!/usr/bin/env bash
# Installs the packages that cnn_dist is built with, only those that are missing, without asking anything:
#   launch/install_packages.sh            what building, running and testing need
#   launch/install_packages.sh --check    installs nothing; says what is missing, exit status 1 if anything is
# For Debian 12 and Ubuntu 22.04 or 24.04. As root it uses apt-get itself, otherwise through sudo.
set -euo pipefail

# libjpeg-dev is libjpeg62-turbo-dev on Debian and libjpeg-turbo8-dev on Ubuntu; every other name is the same on both.
packages=(
    build-essential cmake ninja-build pkg-config
    openmpi-bin libopenmpi-dev # ranks
    libhdf5-dev                # dataset shards
    libdnnl-dev                # oneDNN: the operators on the CPU
    libyaml-dev libjansson-dev # configs; metrics and --json
    libjpeg-dev libpng-dev libarchive-dev zlib1g-dev # pictures and archives to import
    libisal-dev   # CRC-32C
    libhwloc-dev  # which processors a rank may use
    libcmocka-dev # unit tests
)

say() { printf 'install_packages: %s\n' "$*" >&2; }

die() {
    say "$1"
    exit 1
}

installed() {
    dpkg-query --show --showformat='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

find_missing() {
    local package
    missing=()
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    die "this system has no apt-get. Install the equivalents of these Debian packages by hand, then build with cmake:
  ${packages[*]}"
fi

find_missing
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if [ "${1:-}" = --check ]; then
    die "missing: ${missing[*]}"
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo here; ask an administrator to run: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -y -o DPkg::Lock::Timeout=300)

say "installing ${missing[*]}"
# Package lists may be old or absent (fresh containers); a repository that fails while ours are up is not our business.
"${apt[@]}" update >&2 || say "apt-get update had errors; trying with the package lists there are"
if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2; then
    die "apt-get could not install the packages (see above). On Ubuntu they are in 'universe': sudo add-apt-repository universe"
fi
