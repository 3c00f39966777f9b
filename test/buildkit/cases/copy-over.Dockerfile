FROM docker.io/pipelayer-test/small:1
COPY a.txt /etc/passwd
COPY script.sh /opt/pack/file
COPY dir /opt/pack
COPY dir/sub /var/lib/data/below
