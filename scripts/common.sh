# shellcheck shell=bash
# Sourced by the scripts beside it: where the tree is, how to speak, how to stop.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034
venv=$root/.venv
# shellcheck disable=SC2034
jobs=$(nproc)

say() { printf '%s\n' "$*" >&2; }
die() {
  say "${0##*/}: $*"
  exit 1
}
