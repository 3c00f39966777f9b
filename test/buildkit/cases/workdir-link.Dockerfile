FROM docker.io/pipelayer-test/small:1
WORKDIR /var/run/app
RUN pwd > where
WORKDIR /var/link/new
COPY a.txt .
WORKDIR /srv/conf
COPY b.txt x
