#!/bin/sh
# The reviewer: judges snapshots that somebody else has made, offline; writes nothing beside them.
# usage: reviewer.sh FOLDER PUBLIC-KEY NAME REASON
set -eu
folder=$1 key=$2 name=$3 reason=$4

webex-audit verify --output "$folder" --public-key "$key"
webex-audit diff --output "$folder" >changes.txt
webex-audit report --output "$folder" --file report.html
webex-audit report --output "$folder" --file report.xlsx
webex-audit report --output "$folder" --file open-rooms.csv --csv-dialect excel

# The decision is recorded beside the snapshots: in a copy, if the folder itself may not be changed.
cp -R "$folder" reviewed
chmod -R u+w reviewed
webex-audit approve previous --by "$name" --reason "$reason" --output reviewed
webex-audit check --against approved --rule differs-from-approved --output reviewed >since-approval.txt ||
    test $? -eq 1 # 1: something opens more than approved
