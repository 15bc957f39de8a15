# Sourced by tests/run and examples/quickstart/run: finds or installs the tools they need.
#
# Installs through the system's package manager and says so first. Where that cannot be done it says what to
# install by hand and stops.

say() { if [ -t 1 ]; then printf '\n\033[1m== %s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# install_packages DEBIAN FEDORA ALPINE BREW: one name list each, "-" where the system has none.
install_packages() {
  if command -v apt-get >/dev/null; then
    echo "installing with apt-get: $1"
    [ -n "${packages_refreshed:-}" ] || { as_root apt-get update -qq || true; packages_refreshed=1; }
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -qq --no-install-recommends $1 >/dev/null
  elif command -v dnf >/dev/null && [ "$2" != - ]; then
    echo "installing with dnf: $2"
    # shellcheck disable=SC2086
    as_root dnf install -y -q $2
  elif command -v apk >/dev/null && [ "$3" != - ]; then
    echo "installing with apk: $3"
    # shellcheck disable=SC2086
    as_root apk add -q $3
  elif command -v brew >/dev/null && [ "$4" != - ]; then
    echo "installing with brew: $4"
    # shellcheck disable=SC2086
    brew install -q $4
  else
    fail "please install one of these by hand and run again: $1"
  fi
}

# need COMMAND DEBIAN [FEDORA [ALPINE [BREW]]]: nothing where the command is there already.
need() {
  local command=$1 debian=$2
  command -v "$command" >/dev/null && return
  install_packages "$debian" "${3:-$debian}" "${4:-${3:-$debian}}" "${5:-${3:-$debian}}"
  hash -r
  command -v "$command" >/dev/null || fail "$command is still missing after installing $debian"
}

need_rust() {
  command -v cargo >/dev/null || fail "Rust is missing: install it with rustup (stable, 1.95 or newer)"
}

# What the build itself needs: a C compiler (TLS and SQLite) and protoc (a dependency's build script).
need_build_tools() {
  need_rust
  need cc "gcc libc6-dev" "gcc" "build-base" "gcc"
  need protoc protobuf-compiler protobuf-compiler protobuf protobuf
  need git git
}

# Sets TERRAFORM to terraform, or to tofu where only that is installed.
need_terraform() {
  if command -v terraform >/dev/null; then TERRAFORM=terraform
  elif command -v tofu >/dev/null; then TERRAFORM=tofu
  else
    fail "neither terraform nor tofu is installed: get Terraform 1.8 or newer from HashiCorp's package
repository, or OpenTofu 1.8 or newer from OpenTofu's, and run again"
  fi
  export TERRAFORM
}
