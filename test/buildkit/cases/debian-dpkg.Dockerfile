FROM docker.io/pipelayer-test/debian:1
RUN mkdir -p /tmp/p/DEBIAN /tmp/p/opt/tool && printf "Package: casetool\nVersion: 1.0\nArchitecture: all\nMaintainer: x <x@x.example>\nDescription: x\n" > /tmp/p/DEBIAN/control && echo tool > /tmp/p/opt/tool/file && dpkg-deb -b /tmp/p /tmp/p.deb > /dev/null && dpkg -i /tmp/p.deb && rm -rf /tmp/p /tmp/p.deb /var/log/dpkg.log /var/lib/dpkg/status-old
RUN dpkg -r casetool && rm -f /var/log/dpkg.log
