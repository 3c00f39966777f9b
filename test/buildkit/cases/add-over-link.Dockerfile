FROM docker.io/pipelayer-test/small:1
ADD plain.tar /var/link/
ADD dots.tar /var/run
