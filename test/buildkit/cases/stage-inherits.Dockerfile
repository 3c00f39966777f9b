FROM docker.io/pipelayer-test/small:1 AS first
ENV A=1
WORKDIR /w
USER app
CMD ["first"]
LABEL l=1
RUN echo x > /tmp/x
FROM first
ENV B=$A
RUN pwd > /tmp/p; id -u >> /tmp/p
