FROM scratch
COPY --from=special devices /
