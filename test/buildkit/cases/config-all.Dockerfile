FROM scratch
MAINTAINER Some One <some@one.example>
ENV A=b
LABEL one=1 two="second value" three.with.dots=x
LABEL "quoted key"="quoted\
 value" one=replaced
EXPOSE 80 443/tcp 53/udp 8000-8003
VOLUME /data /plain
VOLUME ["/v1", "/v2"]
USER 1000:1000
WORKDIR /work
STOPSIGNAL 9
ENTRYPOINT ["/entry", "point"]
CMD ["a", "b c"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=1m --start-interval=2s --retries=4 CMD ["/check", "it"]
ONBUILD RUN echo trigger
ONBUILD COPY --chown=1 a /b
ONBUILD ENTRYPOINT ["x"]
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
