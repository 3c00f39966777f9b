FROM docker.io/pipelayer-test/debian:1
RUN cp /bin/true /usr/local/bin/capable && perl -e 'my ($f, $n, $v) = ("/usr/local/bin/capable", "security.capability", pack("V5", 0x02000001, 1 << 13, 0, 0, 0)); syscall(188, $f, $n, $v, 20, 0) == 0 or die $!'
RUN chown 5:6 /usr/local/bin/capable
