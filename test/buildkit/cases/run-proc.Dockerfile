FROM docker.io/pipelayer-test/small:1
RUN cat /proc/self/status | grep -E "^(CapEff|CapBnd|CapPrm|NoNewPrivs|Seccomp):" > /caps; umask > /umask; ulimit -c > /dev/null
USER app
RUN grep -E "^(CapEff|CapPrm|CapBnd|CapAmb)" /proc/self/status > /tmp/caps
