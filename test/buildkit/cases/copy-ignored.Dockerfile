FROM scratch
COPY ignored.log /
