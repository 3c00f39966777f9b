FROM scratch
COPY --chown=55:66 dir /dir
COPY --chown=77 a.txt /a/b/c/
COPY --chown=0:88 hard /hard
