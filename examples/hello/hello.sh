#!/bin/sh
# What the image of this folder runs.
echo "$GREETING: $(cat /srv/built.txt), now in $(pwd)"
ls /
