#!/usr/bin/env bash
# The tests marked `addons`, on TF 2.15 with tensorflow-addons, in an environment of their own.
set -eu
venv=${1:-.venv-addons}
python=""
for candidate in python3.11 python3.10 python3; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "addons stack: no Python 3.10 or 3.11 here; tensorflow-addons needs one. Left out."
  exit 0
fi
if [ ! -e "$venv/.installed" ] || [ pyproject.toml -nt "$venv/.installed" ]; then
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --upgrade pip
  "$venv/bin/python" -m pip install --quiet -e ".[addons,proposals]" \
    pytest pytest-timeout "pytest-xdist>=3.7" uvicorn
  touch "$venv/.installed"
fi
"$venv/bin/python" -m pytest -q -m addons -n 2 --dist=loadfile --no-loadscope-reorder --max-worker-restart=0
