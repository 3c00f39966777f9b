FROM docker.io/pipelayer-test/small:1
ARG ID=case-variables
ENV T=/t
RUN --mount=type=cache,id=$ID,target=$T echo one >/t/f
RUN --mount=type=cache,id=case-variables,target=/u cat /u/f >/got
