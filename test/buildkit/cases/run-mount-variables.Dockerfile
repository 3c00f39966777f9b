FROM docker.io/pipelayer-test/small:1
ARG DIR=dir
ENV TARGET=/mnt/x
RUN --mount=type=bind,source=${DIR},target=$TARGET ls $TARGET > /list
