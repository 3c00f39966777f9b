FROM docker.io/pipelayer-test/debian:1
ARG VERSION=1.2.3
WORKDIR /app
COPY --link dir ./lib
RUN printf "%s\n" "package App;" "our \$V = q($VERSION);" "1;" > App.pm && perl -I. -MApp -e "print \$App::V" > version
LABEL org.opencontainers.image.version=$VERSION
CMD ["perl", "-I/app", "-MApp", "-e", "print $App::V"]
