FROM scratch
COPY --chown=nobody-here a.txt /a
