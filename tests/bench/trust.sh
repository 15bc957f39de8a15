# Sourced by tests/bench/run: what signatures and the log cost.

# bench_trust: so many modules judged, beside sha256sum of the same files; a plan with and without; uploads; a large log.
bench_trust() {
  local files=$((modules * 20))
  say "$modules modules of $files files, published and installed"
  mkdir "$work/sources" "$work/judged"
  {
    printf '%s\n\nprovider "idp" {\n  verify_modules = "enforce"\n}\n\ndata "idp_verification" "this" {}\n' "$required_providers"
    for n in $(seq "$modules"); do
      printf 'module "m%s" {\n  source  = "registry.example.com/golden/m%s/test"\n  version = "1.0.0"\n}\n' "$n" "$n"
    done
  } >"$work/judged/main.tf"
  python3 - "$work/sources" "$modules" <<'PYTHON'
import pathlib, sys
for module in range(1, int(sys.argv[2]) + 1):
    folder = pathlib.Path(sys.argv[1]) / str(module)
    folder.mkdir()
    for file in range(20):
        lines = "".join(f"# line {line} of file {file} of module {module}\n" for line in range(60))
        (folder / f"f{file}.tf").write_text(f'output "o{file}" {{\n  value = {file}\n}}\n{lines}')
PYTHON
  for n in $(seq "$modules"); do
    "$bin/idp" publish "$work/sources/$n" --address "golden/m$n/test" --version 1.0.0 >/dev/null
  done
  printf 'host "registry.example.com" {\n  services = {\n    "modules.v1" = "%s/v1/modules/"\n  }\n}\n' \
    "$IDP_SERVER" >>"$TF_CLI_CONFIG_FILE"
  (
    cd "$work/judged"
    "$bin/idp" trust >idp.policy
    "$TERRAFORM" get >/dev/null
    "$bin/idp" lock >/dev/null
    "$bin/idp" verify >/dev/null
    find .terraform/modules -name '*.tf' >files
    xargs sha256sum <files >/dev/null
    for _ in $(seq 9); do
      timed verify "$bin/idp" verify
      timed offline "$bin/idp" verify --offline
      timed sums xargs -a files sha256sum
    done
    # Terraform's own part is the same in both: one after the other, in turn.
    for _ in $(seq 7); do
      sed -i 's/verify_modules = .*/verify_modules = "off"/' main.tf
      timed off "$TERRAFORM" plan
      sed -i 's/verify_modules = .*/verify_modules = "enforce"/' main.tf
      timed enforce "$TERRAFORM" plan
    done
  )
  local verify sums off enforce
  verify=$(median "$work/judged/verify.times") sums=$(median "$work/judged/sums.times")
  off=$(median "$work/judged/off.times") enforce=$(median "$work/judged/enforce.times")
  row "idp verify of $modules modules, warm" "$(calculate "$verify / 1000") ms" \
    "$(calculate "$verify / $sums") times sha256sum of its $files files, $(calculate "$sums / 1000") ms"
  row "idp verify --offline" "$(calculate "$(median "$work/judged/offline.times") / 1000") ms" "evidence from its cache"
  row "plan with $modules modules, verified" "$(calculate "$enforce / 1000") ms" \
    "$(calculate "($enforce - $off) / $off * 100") % more than without, $(calculate "$off / 1000") ms"
}

# timed NAME COMMAND…: adds its microseconds to NAME.times. No other program's start is in them.
timed() {
  local name=$1 start
  shift
  start=${EPOCHREALTIME/[.,]/}
  "$@" >/dev/null 2>&1 || fail "$* failed"
  echo $((${EPOCHREALTIME/[.,]/} - start)) >>"$name.times"
}

bench_uploads() {
  say "$uploads publishes, packed and signed beforehand"
  mkdir -p "$work/uploads" "$work/module"
  printf 'output "a" {\n  value = 1\n}\n' >"$work/module/main.tf"
  for n in $(seq "$uploads"); do
    "$bin/idp" publish "$work/module" --address "golden/load$n/null" --version 1.0.0 --hostname registry.example.com \
      --output "$work/uploads/load$n.tar.gz" >/dev/null
  done
  row "publishes, uploads alone, 8 connections" "$(python3 "$here/upload.py" "$work/uploads" 8)/s" \
    "signature, archive, interface, row, log, proof"
}

bench_log() {
  local measured
  say "a log of 100,000 entries"
  measured=$(cd "$root" && cargo bench --quiet -p registry-server --bench log)
  row "log: append, a thousand a transaction" "$(milliseconds_of append_in_batch_ms)" "of $(field "$measured" entries) entries"
  row "log: append and commit" "$(milliseconds_of append_and_commit_ms)" "on the disk"
  row "log: inclusion proof" "$(milliseconds_of inclusion_proof_ms)" ""
  row "log: consistency proof" "$(milliseconds_of consistency_proof_ms)" ""
  row "log: checkpoint" "$(milliseconds_of checkpoint_ms)" "persisted, then signed"
}

milliseconds_of() { echo "$(calculate "$(field "$measured" "$1")") ms"; }
