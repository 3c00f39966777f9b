FROM docker.io/pipelayer-test/small:1
RUN mkdir /odd && cd /odd && touch "tab	here" "$(printf "\\303\\251")" " lead" "trail " -dash .wh-not "*" "a\\b"
