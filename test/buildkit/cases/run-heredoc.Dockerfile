FROM docker.io/pipelayer-test/small:1
RUN <<EOF
echo one > /1
cd /tmp
echo two > 2
EOF
RUN <<-"EOF" sh -e
	echo "$HOME raw" > /3
	EOF
RUN cat <<A > /4 && cat <<B >> /4
first $HOME
A
second
B
RUN <<EOF
#!/bin/sh
echo script > /5
EOF
