FROM docker.io/pipelayer-test/shell:1
ENV A=$PATH B=${PATH:-none} C=${PATH##*:} D=${PATH:+set}
LABEL path=$PATH
WORKDIR /w$PATH
