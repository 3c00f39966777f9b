FROM scratch
COPY --from=special capable /
