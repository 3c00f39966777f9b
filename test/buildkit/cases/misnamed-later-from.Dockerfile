FROM later
FROM docker.io/pipelayer-test/small:1 AS later
