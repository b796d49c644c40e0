#!/bin/sh
# The administrator: from an integration to a first report, and to a token that lasts.
# usage: administrator.sh --client-id ID --client-secret-file FILE [--device] [--port PORT]
# docs/tokens.md says how to make the integration. 'nightly.sh' goes on from here.
set -eu

webex-audit login "$@"
webex-audit doctor
webex-audit run --report report.html
