#!/usr/bin/env bash
# The tests of conversion by Apache Beam. Beam wants older protobuf, Pillow and python-dateutil than
# the default stack has: they go into an environment on top of it, which stays as it is.
set -eu
base=${1:-.venv}
venv=${2:-.venv-beam}
if [ ! -e "$venv/.installed" ] || [ pyproject.toml -nt "$venv/.installed" ]; then
  "$base/bin/python" -m venv --clear "$venv"
  packages='import sysconfig; print(sysconfig.get_path("purelib"))'
  below=$(cd "$("$base/bin/python" -c "$packages")" && pwd)
  echo "import site; site.addsitedir('$below')" > "$("$venv/bin/python" -c "$packages")/below.pth"
  "$venv/bin/python" -m pip install --quiet --upgrade pip
  "$venv/bin/python" -m pip install --quiet -e ".[beam]"
  touch "$venv/.installed"
fi
"$venv/bin/python" -m pytest -q tests/records/test_records_beam.py
