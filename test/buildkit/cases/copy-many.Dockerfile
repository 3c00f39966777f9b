FROM scratch
COPY a.txt b.txt script.sh private setuid /to/
COPY a.txt dir /both/
