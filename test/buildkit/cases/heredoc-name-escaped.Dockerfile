FROM docker.io/pipelayer-test/small:1
ENV N=x
COPY <<E\OF /a
text $N
EOF
COPY <<E"O"F /b
text $N
EOF
RUN <<E\OF cat >/c
text $HOME
EOF
