#!/bin/sh
# The partner with one account for all customers: one token, one snapshot, one file for each customer.
# usage: partner.sh
set -eu

webex-audit doctor --all-orgs
webex-audit run --all-orgs --csv-per-org --report report.html
