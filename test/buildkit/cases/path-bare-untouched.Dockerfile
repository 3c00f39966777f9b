FROM docker.io/pipelayer-test/shell:1
LABEL a=b
