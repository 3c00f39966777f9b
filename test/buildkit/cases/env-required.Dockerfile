FROM scratch
ENV X=${MISSING:?is-not-given}
