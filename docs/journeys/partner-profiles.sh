#!/bin/sh
# The partner with an account at each customer: a profile for each, whose token no other profile uses.
# usage: partner-profiles.sh CUSTOMER…, each with ~/.config/webex-audit/profiles/CUSTOMER.toml:
#   [webex]
#   client_id = "C0123…"
#   client_secret_file = "~/.config/webex-audit/client-secret"
#   [output]
#   path = "snapshots/CUSTOMER"
# PORT names another port for the answer of the browser, if the integrations have registered it.
set -eu

for customer in "$@"; do
    webex-audit login --profile "$customer" ${PORT:+--port "$PORT"}
done
for customer in "$@"; do
    webex-audit run --profile "$customer" --quiet --report "$customer.html"
done
