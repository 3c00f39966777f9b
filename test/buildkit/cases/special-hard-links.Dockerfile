FROM scratch
COPY --from=special links /
