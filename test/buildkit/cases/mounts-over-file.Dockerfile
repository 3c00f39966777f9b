FROM docker.io/pipelayer-test/small:1
RUN --mount=source=a.txt,target=/etc/passwd cat /etc/passwd >/got
