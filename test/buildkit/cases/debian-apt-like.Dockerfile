FROM docker.io/pipelayer-test/debian:1
RUN --mount=type=cache,target=/var/cache/apt,id=case-apt,sharing=locked --mount=type=tmpfs,target=/var/log apt-cache stats > /dev/null 2>&1; ls -A /var/log > /log-list; touch /var/log/lost
RUN apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
