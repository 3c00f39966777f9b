FROM docker.io/pipelayer-test/small:1
RUN 3<<EOF cat <&3 >/got
text $HOME
EOF
RUN <<-"A" cat - >/got2
	tab $HOME
A
