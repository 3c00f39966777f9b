FROM docker.io/pipelayer-test/small:1
ENV dir=/data name=app port=8080 sig=SIGUSR1 v=1.2
WORKDIR $dir/$name
COPY ${name:+a}.txt $dir/
ADD b.txt ${dir}/b
EXPOSE $port ${port}/udp
VOLUME $dir/vol
USER ${name}
STOPSIGNAL $sig
LABEL version="$v" "$name"=x
RUN echo $dir > $dir/run 2>/dev/null || echo $dir > /tmp/run
CMD echo $dir
ENTRYPOINT ["run", "$dir"]
HEALTHCHECK CMD test -d $dir
ONBUILD RUN echo $dir
