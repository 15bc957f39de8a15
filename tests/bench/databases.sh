# Sourced by run: databases through terraform, and logins through the API, each beside the same SQL run by psql on the
# same server. What psql runs is what that server's log says that idp sent for one database.

# The name of the recorded database, a word that no statement has but for it.
readonly sample=benchsample

bench_databases() {
  say "one database, whose SQL is recorded"
  row "PostgreSQL $(admin -c 'SHOW server_version')" "fsync $(admin -c 'SHOW fsync')" \
    "synchronous_commit $(admin -c 'SHOW synchronous_commit'), full_page_writes $(admin -c 'SHOW full_page_writes')"
  databases_of sample 1 "$sample"
  terraform_in sample plan -out planned
  record create terraform_in sample apply planned
  record refresh terraform_in sample plan -refresh-only
  bench_credentials
  terraform_in sample plan -destroy -out planned
  record destroy terraform_in sample apply planned
  if [ "$databases" != 0 ]; then bench_lifecycle; fi
  if [ "$planned" != 0 ]; then bench_plan; fi
}

bench_lifecycle() {
  local what="$databases idp_database" create refresh destroy
  say "$databases databases"
  # shellcheck disable=SC2016
  databases_of databases "$databases" 'many-${count.index}'
  measure databases "$what: plan" plan -out planned
  measure databases "$what: create" apply planned
  create=$took
  measure databases "$what: refresh" plan -refresh-only
  refresh=$took
  measure databases "$what: plan to destroy" plan -destroy -out planned
  measure databases "$what: destroy" apply planned
  destroy=$took
  beside create "$create"
  beside refresh "$refresh"
  beside destroy "$destroy"
  beside create "$create" changes
  beside destroy "$destroy" changes
}

# beside NAME SECONDS [changes]: what terraform took beside what psql takes.
beside() {
  local name=$1 seconds=$2 by_psql
  shift 2
  echo "\$ psql -f $name.sql"
  by_psql=$(replay "$name" "$sample" "$databases" "$@")
  by_psql=$(field "$by_psql" seconds)
  row "  $name by psql${1:+, without the questions}" "$by_psql s" \
    "terraform takes $(calculate "$seconds / $by_psql") times as long; aim: at most 2"
}

bench_plan() {
  local what="$planned idp_database"
  say "$planned databases"
  # shellcheck disable=SC2016
  databases_of planned "$planned" 'planned-${count.index}'
  measure planned "$what: apply, -parallelism=50" apply -auto-approve -parallelism=50
  measure planned "$what: plan, empty" plan -detailed-exitcode
}

bench_credentials() {
  local connection lease through_api by_psql
  say "ephemeral credentials, $rounds times"
  connection=$("$TERRAFORM" -chdir="$work/sample" output -raw connection_id)
  record credentials python3 "$here/measure.py" credentials "$connection" 1 >"$work/credentials.json"
  lease=$(field "$(cat "$work/credentials.json")" lease)
  through_api=$(python3 "$here/measure.py" credentials "$connection" "$rounds")
  by_psql=$(replay credentials "$lease" "$rounds" changes)
  through_api=$(field "$through_api" median_ms)
  by_psql=$(field "$by_psql" median_ms)
  row "credentials: open and close, median" "$through_api ms" "of $rounds, through the API"
  row "  by psql, without the questions" "$by_psql ms" \
    "the API takes $(calculate "$through_api - $by_psql") ms more; aim: at most 50"
}

# databases_of FOLDER COUNT NAME
databases_of() {
  mkdir "$work/$1"
  cat >"$work/$1/main.tf" <<HCL
$required_providers

resource "idp_database" "many" {
  count       = $2
  name        = "$3"
  environment = "staging"
  owner       = "payments"
  engine      = "postgres"
  extensions  = ["pgcrypto"]

  deletion_protection = false
}

output "connection_id" {
  value = idp_database.many[0].connection_id
}
HCL
}

# terraform_in FOLDER ARGUMENTS…
terraform_in() {
  local folder=$1
  shift
  echo "\$ terraform $*"
  "$TERRAFORM" -chdir="$work/$folder" "$@" >/dev/null 2>"$work/stderr" ||
    { tail -n 30 "$work/stderr" >&2; fail "terraform $* failed"; }
}

# -- recording and replaying -----------------------------------------------------------------------------------------

admin() { as_postgres psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/postgres" -p "$POSTGRES_PORT" -U postgres "$@"; }

# record NAME COMMAND…: keeps what the server logs meanwhile in NAME.log.
record() {
  local name=$1 before
  shift
  before=$(wc -c <"$work/postgres/log")
  log_statements all
  "$@"
  log_statements none
  tail -c "+$((before + 1))" "$work/postgres/log" >"$work/$name.log"
}

log_statements() {
  admin -c "ALTER SYSTEM SET log_line_prefix = '%d|%a|'" -c "ALTER SYSTEM SET log_statement = '$1'" \
    -c 'SELECT pg_reload_conf()' >/dev/null
  until [ "$(admin -c 'SHOW log_statement')" = "$1" ]; do :; done
}

# replay NAME WORD COUNT [changes]: runs what was recorded, for so many others than WORD, and times it.
replay() {
  local name=$1 count=$3
  python3 "$here/replay.py" "$work/$name.log" "${@:2}" >"$work/$name.sql"
  PGPASSWORD=$(cat "$work/postgres/password") PGOPTIONS='-c search_path=pg_catalog,pg_temp' \
    python3 "$here/measure.py" psql "$count" -- psql -X -q -o /dev/null -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d postgres -c '\timing on' -f "$work/$name.sql"
}
