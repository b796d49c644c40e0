#!/bin/sh
# The newcomer: from an installed tool to a report, without an account.
# usage: newcomer.sh
set -eu

# The whole chain on simulated organizations. Its last lines name the files to open.
webex-audit demo

# The same step by step, against an API to practice on. It prints what a shell needs to know, and serves until it is
# stopped.
webex-audit simulate >practice.env &
trap 'kill $!' EXIT
until grep -qs webex-audit practice.env; do sleep 0.1; done
eval "$(grep ^export practice.env)"

webex-audit doctor
webex-audit run --report report.html
webex-audit check --fail-on critical >findings.txt || test $? -eq 1 # 1: there is something to look at
