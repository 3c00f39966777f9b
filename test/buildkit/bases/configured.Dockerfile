FROM docker.io/pipelayer-test/small:1
ENV BASE=1 LANG=C.UTF-8
ENV PATH=/opt/bin:$PATH
LABEL base=yes keep=base
EXPOSE 80
VOLUME /data
WORKDIR /home/app
COPY a.txt /home/app/from-base
USER app
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo base"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
SHELL ["/bin/sh", "-e", "-c"]
