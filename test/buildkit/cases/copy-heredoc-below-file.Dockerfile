FROM docker.io/pipelayer-test/small:1
COPY <<E /etc/passwd/x
text
E
