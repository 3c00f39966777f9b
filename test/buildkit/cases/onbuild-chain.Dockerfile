FROM docker.io/pipelayer-test/small:1 AS base
ONBUILD RUN echo first > /first
ONBUILD ENV X=1
FROM base AS next
RUN ls / > /list
FROM next
RUN echo "$X" > /x
