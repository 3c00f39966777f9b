FROM scratch
COPY --from=special old /
