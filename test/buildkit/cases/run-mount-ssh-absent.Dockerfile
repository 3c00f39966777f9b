FROM docker.io/pipelayer-test/small:1
RUN --mount=type=ssh echo $SSH_AUTH_SOCK > /one
RUN --mount=type=ssh,target=/s --mount=type=ssh,id=b echo $SSH_AUTH_SOCK > /two
ENV SSH_AUTH_SOCK=/own
RUN --mount=type=ssh echo $SSH_AUTH_SOCK > /three
