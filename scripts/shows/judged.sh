#!/usr/bin/env bash
# Every table of a fixtures folder, where $PIPELAYER_FIXTURES names one.
. "$(dirname "$0")/lib.bash"
if [ -z "${PIPELAYER_FIXTURES:-}" ]; then
  echo 'PIPELAYER_FIXTURES is not set: nothing to judge'
  exit 0
fi
"$root/scripts/judge" "$PIPELAYER_FIXTURES" || fails 'rows failed'
holds 'no row failed'
