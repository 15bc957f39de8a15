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
  record plan terraform_in sample plan
  bench_credentials
  terraform_in sample plan -destroy -out planned
  record destroy terraform_in sample apply planned
  if [ "$databases" != 0 ]; then bench_lifecycle; fi
  if [ "$planned" != 0 ]; then bench_plan; fi
}

# A disk that others use as well answers ten times slower from one minute to the next: terraform and psql take turns.
bench_lifecycle() {
  local round
  say "$databases databases, made and destroyed by terraform and by psql in turn"
  # shellcheck disable=SC2016
  databases_of databases "$databases" 'many-${count.index}'
  for round in 1 2 3; do
    echo "round $round"
    by_terraform plan plan -out planned
    by_terraform create apply planned
    by_terraform refresh plan -refresh-only
    by_terraform plan-destroy plan -destroy -out planned
    by_terraform destroy apply planned
    by_psql create
    by_psql refresh
    by_psql destroy
    by_psql create changes
    by_psql destroy changes
  done
  row "$databases idp_database, median of 3: plan" "$(median "$work/plan.terraform") s" "$(cat "$work/plan.effort")"
  beside create
  beside create changes
  beside refresh
  beside destroy
  beside destroy changes
}

# by_terraform NAME ARGUMENTS…
by_terraform() {
  local name=$1
  shift
  watch databases "$@"
  field "$watched" seconds >>"$work/$name.terraform"
  effort >"$work/$name.effort"
}

# by_psql NAME [changes]
by_psql() {
  local replayed
  echo "\$ psql -f $1.sql${2:+ ($2)}"
  replayed=$(replay "$1" "$sample" script_ "$databases" "${@:2}")
  field "$replayed" seconds >>"$work/$1.psql${2:+.$2}"
}

# beside NAME [changes]: what terraform took beside what psql took.
beside() {
  local name=$1 only=${2:-} took compared
  took=$(median "$work/$name.terraform")
  [ -n "$only" ] || row "  $name" "$took s" "$(cat "$work/$name.effort")"
  compared=$(median "$work/$name.psql${only:+.$only}")
  row "    by psql${only:+, without the questions}" "$compared s" \
    "terraform takes $(calculate "$took / $compared") times as long$([ -n "$only" ] || echo "; aim: at most 2")"
}

bench_plan() {
  local what="$planned idp_database" took compared
  say "$planned databases"
  # shellcheck disable=SC2016
  databases_of planned "$planned" 'planned-${count.index}'
  measure planned "$what: apply, -parallelism=50" apply -auto-approve -parallelism=50
  measure planned "$what: plan, empty" plan -detailed-exitcode
  took=$(field "$watched" seconds)
  # Questions only, so psql asks of the very databases.
  compared=$(replay plan "$sample" planned_ "$planned")
  compared=$(field "$compared" seconds)
  row "    by psql" "$compared s" "terraform takes $(calculate "$took / $compared") times as long"
}

bench_credentials() {
  local connection lease through_api raw
  say "ephemeral credentials, $rounds times"
  connection=$("$TERRAFORM" -chdir="$work/sample" output -raw connection_id)
  record credentials python3 "$here/measure.py" credentials "$connection" 1 >"$work/credentials.json"
  lease=$(field "$(cat "$work/credentials.json")" lease)
  through_api=$(python3 "$here/measure.py" credentials "$connection" "$rounds")
  raw=$(replay credentials "$lease" script_ "$rounds" changes)
  through_api=$(field "$through_api" median_ms)
  raw=$(field "$raw" median_ms)
  row "credentials: open and close, median" "$through_api ms" "of $rounds, through the API"
  row "  by psql, without the questions" "$raw ms" \
    "the API takes $(calculate "$through_api - $raw") ms more; aim: at most 50"
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

# replay NAME WORD PREFIX COUNT [changes]: runs what was recorded, for so many others than WORD, and times it.
replay() {
  local name=$1 count=$4
  python3 "$here/replay.py" "$work/$name.log" "${@:2}" >"$work/$name.sql"
  PGPASSWORD=$(cat "$work/postgres/password") PGOPTIONS='-c search_path=pg_catalog,pg_temp' \
    python3 "$here/measure.py" psql "$count" -- psql -X -q -o /dev/null -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$POSTGRES_PORT" -U postgres -d postgres -c '\timing on' -f "$work/$name.sql"
}
