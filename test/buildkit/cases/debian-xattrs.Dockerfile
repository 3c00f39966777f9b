FROM docker.io/pipelayer-test/debian:1
RUN echo x > /file && mkdir /dir && perl -e 'my @files = ("/file", "/dir", "/etc/debian_version"); for my $f (@files) { my ($n, $v) = ("user.note", "a value"); syscall(188, $f, $n, $v, length($v), 0) == 0 or die $! }'
