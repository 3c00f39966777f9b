FROM docker.io/pipelayer-test/small:1 AS first
RUN echo 1 > /1
FROM first AS second
RUN echo 2 > /2
CMD ["second"]
FROM second AS third
RUN exit 1
