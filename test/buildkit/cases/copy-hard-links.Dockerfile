FROM scratch
COPY hard /hard
COPY hard/first hard/second /both/
