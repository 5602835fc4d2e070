#!/usr/bin/env bash
# Installs what the tests need and is not there: PostgreSQL, Dovecot, Chromium and gcc from Debian,
# Node packages by their lock files. Says what it does, and does nothing twice.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
have() { command -v "$1" >/dev/null 2>&1; }
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || have initdb || missing+=(postgresql)
have dovecot || missing+=(dovecot-imapd)
[ -e /usr/lib/dovecot/submission-login ] || missing+=(dovecot-submissiond)
have chromium || missing+=(chromium)
have gcc || missing+=(gcc libc6-dev)
have node || missing+=(nodejs)
have npm || missing+=(npm)
# Pages are looked at in many scripts: without fonts they would be boxes.
[ -d /usr/share/fonts/truetype/noto ] || missing+=(fonts-noto-core)

if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  run=()
  [ "$(id -u)" -eq 0 ] || run=(sudo)
  "${run[@]}" apt-get update -qq
  # A server that starts by itself is not wanted: the tests start their own.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

for dir in $(git ls-files '*package-lock.json' | xargs -r -n1 dirname); do
  stamp="$dir/node_modules/.installed"
  if [ ! -e "$stamp" ] || [ "$dir/package-lock.json" -nt "$stamp" ]; then
    echo "npm ci in $dir"
    (cd "$dir" && npm ci --silent --no-audit --no-fund --ignore-scripts)
    touch "$stamp"
  fi
done
