FROM docker.io/pipelayer-test/small:1
COPY <<EOF /one
plain $HOME ${PATH:+set} "quoted" \$escaped
EOF
COPY <<"EOF" /two
raw $HOME
EOF
COPY <<-EOF /three
	tabbed
	  deeper
EOF
COPY --chmod=755 --chown=app <<a <<b /both/
A
a
B
b
COPY a.txt <<late /mixed/
late text
late
WORKDIR /w
COPY <<EOF rel/name
x
EOF
