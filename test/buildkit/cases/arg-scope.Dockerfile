ARG BASE=small
ARG TAG=1
ARG OUTER=outer
FROM docker.io/pipelayer-test/${BASE}:$TAG AS one
ARG OUTER
ARG UNSET
ARG INNER=inner-$OUTER
ENV SEEN=$OUTER-$INNER-$UNSET-$BASE
RUN echo "$OUTER $INNER ${UNSET-unset}" > /args
FROM one
ARG INNER
ENV AGAIN=$INNER.$SEEN
RUN echo "${INNER-gone}" > /args2
