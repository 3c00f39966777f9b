FROM docker.io/pipelayer-test/small:1
COPY --chown=1000: a.txt /a
COPY --chown=other: a.txt /b
COPY --chown=app:nogroup a.txt /c
COPY --chown=5:nogroup a.txt /d
COPY --chown=1:2:3 a.txt /e
COPY --chown=+5:+6 a.txt /f
COPY --chown=4294967295 a.txt /g
COPY --chown=5:2147483648 a.txt /h
COPY --chown=:apps a.txt /i
COPY --chown=: a.txt /j
COPY --chown=01 a.txt /k
