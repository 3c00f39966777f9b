FROM docker.io/pipelayer-test/small:1
ARG ONE=default
ARG TWO
RUN echo "$ONE $TWO" > /x
ENV ONE=env
RUN echo "$ONE" > /y
ARG ONE=late
RUN echo "$ONE $http_proxy" > /z
LABEL one=$ONE two=$TWO
