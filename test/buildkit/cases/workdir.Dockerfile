FROM docker.io/pipelayer-test/small:1
WORKDIR /one/two
WORKDIR three
WORKDIR ../four/./five/
RUN pwd > where
WORKDIR /
WORKDIR rel
WORKDIR "/with space"
